"""A sequencer that is told to end does, wherever it is just then."""

import asyncio
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest
from cancelling import ENDS_WITHIN_S, ends_when_told_at
from running import Servers

from tidings.events.sequencer import Sequencer
from tidings.platform.redis import open_redis

# To the first looks at an outbox, and a little more; after that the same awaits come again.
AWAITS = 50


class Watched(Sequencer):
    """is_there: set when it does what is to be ended."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.is_there = asyncio.Event()


class Swallowing(Watched):
    """Its leading goes on, the first time that it is told to end."""

    async def compete(self, connection: asyncpg.Connection, shard: int) -> None:
        self.is_there.set()
        try:
            await super().compete(connection, shard)
        except asyncio.CancelledError:
            await asyncio.Event().wait()


class Failing(Watched):
    """As a pool does that is closed while its connection breaks: it ends by an error of PostgreSQL instead."""

    async def compete(self, connection: asyncpg.Connection, shard: int) -> None:
        self.is_there.set()
        try:
            await super().compete(connection, shard)
        except asyncio.CancelledError:
            raise asyncpg.InterfaceError("the connection is closed") from None


class Deaf(Watched):
    """As redis-py in Python 3.11: what it waits for came at the same time."""

    async def hear_wakes(self) -> None:
        self.wake_redis = SwallowingRedis()
        self.is_there.set()
        await super().hear_wakes()


class SwallowingRedis:
    """A channel that answers a cancellation as if a message had come in time, each time."""

    def pubsub(self) -> "SwallowingRedis":
        return self

    async def __aenter__(self) -> "SwallowingRedis":
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def subscribe(self, *_: object) -> None:
        pass

    async def get_message(self, **_: Any) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return


@pytest.fixture
def sequencer(servers: Servers, database_url: str) -> Callable[[type[Watched]], Watched]:
    def make(kind: type[Watched]) -> Watched:
        return kind(database_url, open_redis(servers.redis_url), open_redis(servers.redis_url), lease_s=0.5, window=100)

    return make


async def test_it_ends_at_whichever_await_it_is_told_to(sequencer: Callable[[type[Watched]], Watched]) -> None:
    for number in range(1, AWAITS):
        assert await ends_when_told_at(number, lambda: sequencer(Watched).run([0, 1])), number


@pytest.mark.parametrize("kind", [Swallowing, Failing, Deaf])
async def test_it_ends_though_that_was_swallowed(sequencer: Callable[[type[Watched]], Watched], kind: type[Watched]) -> None:
    one = sequencer(kind)
    running = asyncio.create_task(one.run([0]))
    await asyncio.wait_for(one.is_there.wait(), 10)
    running.cancel()
    ended, _ = await asyncio.wait([running], timeout=ENDS_WITHIN_S)
    assert ended
    assert running.cancelled()
