"""The projections' process: writes large audiences, withdraws what has expired, keeps house."""

import asyncio
import time
from datetime import UTC, datetime

import asyncpg

from tidings.deliveries.ledger.retention import keep_ledger
from tidings.deliveries.levels.tallies import keep_tallies
from tidings.events.wake import Waker
from tidings.notifications.fanout import advance_one
from tidings.notifications.sweep import expire_due, keep_house
from tidings.platform.redis import open_redis
from tidings.settings import Settings
from tidings.sources.history import keep_events
from workers.keeping import keep_doing, pool_when_there
from workers.listening import listening

FANOUT_IDLE_S = 0.05
# After a chunk, this share of the time it took, if others publish: those that waited for a processor or the disk go first.
FANOUT_REST = 0.5
EXPIRY_IDLE_S = 1.0
HOUSE_IDLE_S = 600.0
NAME = "tidings projections"


async def main(settings: Settings) -> None:
    """Runs until cancelled."""
    assert settings.database_url is not None
    assert settings.redis_url is not None
    waker = Waker(open_redis(settings.redis_url))
    waker.start()
    try:
        async with listening(settings):
            await work(settings.database_url, waker, settings.retention_days)
    finally:
        await waker.stop()


async def work(database_url: str, waker: Waker, retention_days: int) -> None:
    async with asyncio.TaskGroup() as tasks:
        pool = await pool_when_there(database_url, NAME)
        # A chunk need not wait for the disk, see `notifications/fanout.py`.
        hasty = await pool_when_there(database_url, NAME, synchronous_commit="off")
        tasks.create_task(keep_doing("projections", "fan-outs", FanOuts(hasty, waker).advance, FANOUT_IDLE_S))
        tasks.create_task(keep_doing("projections", "expiry", lambda: expire(pool, waker), EXPIRY_IDLE_S))
        tasks.create_task(keep_doing("projections", "house-keeping", lambda: house(pool, retention_days), HOUSE_IDLE_S))


class FanOuts:
    """log_ended_at: of all shards together, when the last chunk had been written."""

    def __init__(self, pool: asyncpg.Pool, waker: Waker) -> None:
        self.pool = pool
        self.waker = waker
        self.log_ended_at = 0

    async def advance(self) -> bool:
        begun = time.perf_counter()
        async with self.pool.acquire() as connection:
            async with connection.transaction():
                tenant = await advance_one(connection)
            if tenant is None:
                return False
            self.waker.wake(tenant.shard)
            log_ends_at = await connection.fetchval("SELECT sum(head)::bigint FROM shards")
        others_publish, self.log_ended_at = log_ends_at != self.log_ended_at, log_ends_at
        if others_publish:
            await asyncio.sleep(FANOUT_REST * (time.perf_counter() - begun))
        return True


async def expire(pool: asyncpg.Pool, waker: Waker) -> bool:
    async with pool.acquire() as connection, connection.transaction():
        shards = await expire_due(connection, datetime.now(UTC))
    for shard in shards:
        waker.wake(shard)
    return bool(shards)


async def house(pool: asyncpg.Pool, retention_days: int) -> bool:
    async with pool.acquire() as connection:
        await keep_house(connection, retention_days)
        await keep_ledger(connection, retention_days)
        await keep_tallies(connection, retention_days)
        await keep_events(connection, retention_days)
    return False
