"""The sequencer's process: leads what shards it can get."""

import asyncio

from tidings.events.sequencer import Sequencer
from tidings.platform.postgres import NOT_YET, open_pool
from tidings.platform.redis import open_redis
from tidings.settings import Settings
from workers.listening import listening


async def main(settings: Settings) -> None:
    """Runs until cancelled."""
    assert settings.database_url is not None
    assert settings.redis_url is not None
    redis = open_redis(settings.stream_redis_url or settings.redis_url)
    wake_redis = open_redis(settings.redis_url)
    sequencer = Sequencer(settings.database_url, redis, wake_redis, lease_s=settings.lease_s, window=settings.hot_window_events)
    async with listening(settings):
        await sequencer.run(await shards_of(settings.database_url))


async def shards_of(database_url: str) -> list[int]:
    """The shards that there are; waits for PostgreSQL."""
    while True:
        try:
            async with await open_pool(database_url, "tidings_worker", 1, "tidings sequencer start") as pool:
                return [row[0] for row in await pool.fetch("SELECT shard FROM shards ORDER BY shard")]
        except NOT_YET:
            await asyncio.sleep(1)
