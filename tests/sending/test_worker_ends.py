"""A deliveries worker that is told to end does, wherever it is just then; and it makes no noise about jobs that nobody took in time."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from cancelling import ENDS_WITHIN_S, ends_when_told_at
from redis.exceptions import ConnectionError as RedisLost
from running import Servers, until

from tidings.deliveries.sending.queue import JOB, QUEUE, open_queue, worker_on
from tidings.platform import ending
from tidings.platform.ending import end_tasks
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


async def test_a_job_that_nobody_took_in_time_is_told_in_a_line(redis_url: str, caplog: pytest.LogCaptureFixture) -> None:
    queue = open_queue(redis_url)
    job = await queue.enqueue_job(JOB, ["id"])
    assert job is not None
    await queue.delete(f"arq:job:{job.job_id}")
    working = asyncio.create_task(worker_on(queue, NOBODY.deliver).async_run())

    async def is_gone() -> bool:
        return not await queue.zcard(QUEUE)

    await until(is_gone)
    await end_tasks([working])
    await queue.aclose(close_connection_pool=True)
    told = [(record.getMessage(), record.exc_info) for record in caplog.records if record.levelno >= logging.WARNING]
    assert told == [(f"job {job.job_id} expired", None)]
