"""ARQ for backups: a queue of its own, of jobs that only wake.

What is due stands in PostgreSQL. A backup inside a job would be bound to ARQ's time-outs, and after SIGKILL every job of the queue would
wait for the longest of them.
"""

import asyncio
from typing import Any

from arq.connections import ArqRedis
from arq.worker import Worker

from tidings.platform import jobs
from tidings.platform.redis import REDIS_AWAY

QUEUE, JOB = "tidings:backups", "look"
EXPIRES_S = 60
POLL_S = 0.5


def open_queue(redis_url: str) -> ArqRedis:
    return jobs.open_queue(redis_url, QUEUE)


async def wake_workers(redis_url: str) -> None:
    """Have them look for what is due. Without Redis they do so every few seconds anyway."""
    queue = open_queue(redis_url)
    try:
        await queue.enqueue_job(JOB, _expires=EXPIRES_S)
    except REDIS_AWAY:
        pass
    finally:
        await queue.aclose(close_connection_pool=True)


def worker_on(queue: ArqRedis, news: asyncio.Event) -> Worker:
    """Sets the event at each wake; see `jobs.worker_of`."""

    async def look(ctx: dict[Any, Any], *_: Any, **__: Any) -> None:
        news.set()

    return jobs.worker_of(queue, JOB, look, poll_s=POLL_S, most=1, timeout_s=10)
