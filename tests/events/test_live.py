"""The Redis Stream follows the log: refilled when it is lost or older, never ahead of it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from running import Servers

from tidings.events.appender import Appender, StreamAhead
from tidings.events.cursor import new_epoch
from tidings.events.entry import NewEvent, unpack
from tidings.events.lease import Lease, take_lease
from tidings.events.live import FIELD, StreamLost, append_live, last_position, stream_key
from tidings.events.log import read_after
from tidings.events.outbox import append
from tidings.events.sequence import sequence
from tidings.platform.ending import end_tasks
from tidings.platform.postgres import Database
from tidings.platform.redis import open_redis

WINDOW = 1000


class Led:
    """A shard that the test leads."""

    def __init__(self, database: Database, redis: Any, lease: Lease) -> None:
        self.database = database
        self.redis = redis
        self.lease = lease
        self.key = stream_key(lease.epoch, lease.shard)

    async def log(self, *texts: str) -> list[Any]:
        async with self.database.system.acquire() as connection:
            new = [NewEvent(project=1, shard=self.lease.shard, type="test.happened", data=f'"{text}"', actor="test") for text in texts]
            await append(connection, new)
            return await sequence(connection, self.lease.shard, self.lease.term, 1000)

    async def stream(self) -> list[tuple[int, str]]:
        return [(int(name.split(b"-")[0]), unpack(fields[FIELD]).data) for name, fields in await self.redis.xrange(self.key)]

    async def appended(self, appender: Appender, position: int) -> None:
        async with asyncio.timeout(10):
            while appender.appended < position:
                await asyncio.sleep(0.01)


@pytest.fixture
async def led(database: Database, servers: Servers) -> AsyncIterator[Led]:
    shard = max(await database.system.fetchval("SELECT max(shard) + 1 FROM shards"), 200)
    await database.system.execute("INSERT INTO shards (shard, epoch) VALUES ($1, $2)", shard, new_epoch())
    async with database.system.acquire() as connection:
        lease = await take_lease(connection, shard, "test", 3600)
    assert lease is not None
    redis = open_redis(servers.redis_url)
    yield Led(database, redis, lease)
    await redis.aclose()


@pytest.fixture
async def appender(led: Led) -> AsyncIterator[Appender]:
    appender = Appender(led.redis, led.database.system, led.lease, WINDOW)
    task = asyncio.create_task(appender.run())
    yield appender
    await end_tasks([task])


async def test_a_lost_stream_is_filled_again_before_it_goes_on(led: Led, appender: Appender) -> None:
    appender.offer(await led.log("a", "b"))
    await led.appended(appender, 2)
    await led.redis.delete(led.key)
    appender.offer(await led.log("c"))
    await led.appended(appender, 3)
    async with asyncio.timeout(10):
        while await led.stream() != [(1, '"a"'), (2, '"b"'), (3, '"c"')]:
            await asyncio.sleep(0.01)


async def test_an_older_stream_is_brought_forward_though_nobody_publishes(led: Led, appender: Appender) -> None:
    appender.offer(await led.log("a", "b", "c"))
    await led.appended(appender, 3)
    async with led.database.system.acquire() as connection:
        first = await read_after(connection, led.lease.shard, 0, 1)
    await led.redis.delete(led.key)
    await append_live(led.redis, led.key, first, WINDOW, create=True)
    async with asyncio.timeout(10):
        while await last_position(led.redis, led.key) != 3:
            await asyncio.sleep(0.05)
    assert [position for position, _ in await led.stream()] == [1, 2, 3]


async def test_appending_twice_writes_once(led: Led) -> None:
    events = await led.log("a", "b")
    await append_live(led.redis, led.key, events, WINDOW, create=True)
    await append_live(led.redis, led.key, events, WINDOW)
    assert await led.stream() == [(1, '"a"'), (2, '"b"')]


async def test_appending_to_a_stream_that_is_not_there_is_refused(led: Led) -> None:
    with pytest.raises(StreamLost):
        await append_live(led.redis, led.key, await led.log("a"), WINDOW)


async def test_a_stream_ahead_of_the_log_asks_for_a_new_epoch(led: Led) -> None:
    await led.log("a")
    await led.redis.xadd(led.key, {"e": "from another history"}, id="99-0")
    with pytest.raises(StreamAhead):
        await Appender(led.redis, led.database.system, led.lease, WINDOW).run()


async def test_an_appender_ends_when_it_is_cancelled_with_events_just_offered(led: Led) -> None:
    """As a deposed leader does: asyncio.wait_for swallowed that in Python 3.11, and the shard was never led again by that process."""
    events = await led.log("a", "b")
    for _ in range(20):
        appender = Appender(led.redis, led.database.system, led.lease, WINDOW)
        task = asyncio.create_task(appender.run())
        async with asyncio.timeout(5):
            while appender.appended < 0:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.01)
        appender.offer(events)
        await asyncio.sleep(0)
        task.cancel()
        ended, _ = await asyncio.wait([task], timeout=2)
        assert ended
