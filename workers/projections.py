"""The projections' process: writes large audiences, withdraws what has expired, keeps house."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import asyncpg
from loguru import logger

from tidings.events.wake import Waker
from tidings.notifications.fanout import advance_one
from tidings.notifications.sweep import expire_due, keep_house
from tidings.platform.metrics import ERRORS
from tidings.platform.postgres import NOT_YET, POSTGRES_AWAY, open_pool
from tidings.platform.redis import open_redis
from tidings.settings import Settings

FANOUT_IDLE_S = 0.05
# After a chunk, this share of the time it took, if others publish: those that waited for a processor or the disk go first.
FANOUT_REST = 0.5
EXPIRY_IDLE_S = 1.0
HOUSE_IDLE_S = 600.0
AWAY_S = 1.0


async def main(settings: Settings) -> None:
    """Runs until cancelled."""
    assert settings.database_url is not None
    assert settings.redis_url is not None
    waker = Waker(open_redis(settings.redis_url))
    waker.start()
    try:
        await work(settings.database_url, waker, settings.retention_days)
    finally:
        await waker.stop()


async def work(database_url: str, waker: Waker, retention_days: int) -> None:
    async with asyncio.TaskGroup() as tasks:
        pool = await pool_when_there(database_url)
        # A chunk need not wait for the disk, see `notifications/fanout.py`.
        hasty = await pool_when_there(database_url, synchronous_commit="off")
        tasks.create_task(keep_doing("fan-outs", FanOuts(hasty, waker).advance, FANOUT_IDLE_S))
        tasks.create_task(keep_doing("expiry", lambda: expire(pool, waker), EXPIRY_IDLE_S))
        tasks.create_task(keep_doing("house-keeping", lambda: house(pool, retention_days), HOUSE_IDLE_S))


async def pool_when_there(url: str, **settings: str) -> asyncpg.Pool:
    while True:
        try:
            return await open_pool(url, "tidings_worker", 4, "tidings projections", **settings)
        except NOT_YET:
            await asyncio.sleep(AWAY_S)


async def keep_doing(what: str, work: Callable[[], Awaitable[bool]], idle_s: float) -> None:
    """Work until there is none, rest, and begin again; a failure is told once and tried again."""
    troubled = False
    while True:
        try:
            has_worked = await work()
            troubled = False
        except Exception as error:  # one bad row must not end the process that serves all the others
            if not troubled:
                # PostgreSQL that is away is no riddle; anything else is told with its traceback.
                cause = None if isinstance(error, POSTGRES_AWAY) else error
                logger.opt(exception=cause).warning("{}: {}; trying again", what, type(error).__name__)
                ERRORS.labels("projections").inc()
            troubled, has_worked = True, False
        await asyncio.sleep(0 if has_worked else AWAY_S if troubled else idle_s)


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
    return False
