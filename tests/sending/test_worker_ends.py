"""A deliveries worker that is told to end does, wherever it is just then."""

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from cancelling import ENDS_WITHIN_S, ends_when_told_at
from redis.exceptions import ConnectionError as RedisLost
from running import Servers

from tidings.platform import ending
from workers import deliveries
from workers.deliveries import take_jobs

# To its third look at the queue; after that the same awaits come again.
AWAITS = 40
NOBODY = cast(Any, SimpleNamespace(deliver=None))


async def swallowing() -> None:
    """As redis-py does in Python 3.11 when what it waits for comes at the same time."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        await asyncio.Event().wait()


async def failing() -> None:
    """As it does when the connection breaks while it is told to end."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        raise RedisLost from None


@pytest.fixture(autouse=True)
def told_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """redis-py swallows it at every other await of these."""
    monkeypatch.setattr(ending, "PATIENCE_S", 0.05)


@pytest.fixture
async def redis_url(servers: Servers) -> str:
    # A database of its own: the suite's workers have the jobs of the first.
    return servers.redis_url.rpartition("/")[0] + "/9"


async def test_it_ends_at_whichever_await_it_is_told_to(redis_url: str) -> None:
    for number in range(1, AWAITS):
        assert await ends_when_told_at(number, lambda: take_jobs(redis_url, NOBODY)), number


async def test_it_ends_at_whichever_await_it_is_told_to_while_redis_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "AWAY_S", 0.05)
    for number in range(1, 20):
        assert await ends_when_told_at(number, lambda: take_jobs("redis://127.0.0.1:1/0", NOBODY)), number


@pytest.mark.parametrize("run", [swallowing, failing])
async def test_it_ends_though_that_was_swallowed(
    redis_url: str, run: Callable[[], Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "worker_on", lambda *_: SimpleNamespace(async_run=run))
    taking = asyncio.create_task(take_jobs(redis_url, NOBODY))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    taking.cancel()
    ended, _ = await asyncio.wait([taking], timeout=ENDS_WITHIN_S)
    assert ended
    assert taking.cancelled()
