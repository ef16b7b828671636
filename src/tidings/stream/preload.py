"""Fills a shard's hot window when the process starts, so that the first storm of reconnects finds it warm."""

from typing import Any

from loguru import logger

from tidings.events.entry import UNREADABLE, LogEvent, unpack
from tidings.events.live import FIELD, stream_key
from tidings.events.log import read_after
from tidings.platform.postgres import Database
from tidings.platform.redis import REDIS_AWAY, open_redis
from tidings.stream.frames import frame_of
from tidings.stream.shard import Shard

BATCH = 1000


async def preload(database: Database, redis_url: str, shard: Shard) -> None:
    """The window's newest events up to the shard's position; what Redis lacks comes from PostgreSQL."""
    position = max(0, shard.position - shard.window.most_events)
    shard.window.clear(position)
    redis = open_redis(redis_url)
    is_there = True
    try:
        while position < shard.position:
            events: list[LogEvent] = []
            if is_there:
                try:
                    events = await from_stream(redis, shard, position)
                except (*REDIS_AWAY, *UNREADABLE) as error:
                    is_there = False
                    logger.info("shard {}: the hot window comes from PostgreSQL ({})", shard.number, type(error).__name__)
            if not events or events[0].position != position + 1:
                events = await from_log(database, shard, position, events[0].position - 1 if events else shard.position)
            if not events or events[0].position != position + 1:
                # The log does not reach back so far: begin where it does.
                position = events[0].position - 1 if events else shard.position
                shard.window.clear(position)
            for event in events:
                if event.position == position + 1:
                    shard.window.add(event, frame_of(event, shard.epoch))
                    position = event.position
    finally:
        await redis.aclose()


async def from_stream(redis: Any, shard: Shard, position: int) -> list[LogEvent]:
    key = stream_key(shard.epoch, shard.number)
    entries = await redis.xrange(key, f"{position + 1}-0", f"{shard.position}-0", count=BATCH)
    return [unpack(fields[FIELD]) for _, fields in entries]


async def from_log(database: Database, shard: Shard, position: int, up_to: int) -> list[LogEvent]:
    async with database.system.acquire() as connection:
        return await read_after(connection, shard.number, position, BATCH, up_to=up_to)
