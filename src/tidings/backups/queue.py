"""ARQ for backups: a queue of its own, of jobs that only wake.

What is due stands in PostgreSQL. A backup inside a job would be bound to ARQ's time-outs, and after SIGKILL every job of the queue would
wait for the longest of them.
"""

import asyncio
from typing import Any

import msgspec
from arq.connections import ArqRedis
from arq.worker import Worker, func

from tidings.deliveries.sending.queue import QuietWorker, encode
from tidings.platform.redis import REDIS_AWAY, open_redis

QUEUE, JOB = "tidings:backups", "look"
EXPIRES_S = 60
POLL_S = 0.5


def open_queue(redis_url: str) -> ArqRedis:
    return ArqRedis(
        pool_or_conn=open_redis(redis_url).connection_pool,
        job_serializer=msgspec.msgpack.encode,
        job_deserializer=msgspec.msgpack.decode,
        default_queue_name=QUEUE,
    )


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
    """Sets the event at each wake, until cancelled or until Redis goes away: then it raises what REDIS_AWAY names."""

    async def look(ctx: dict[Any, Any], *_: Any, **__: Any) -> None:
        news.set()

    return QuietWorker(
        functions=[func(look, name=JOB, max_tries=1, keep_result=0, timeout=10)],
        redis_pool=queue,
        queue_name=QUEUE,
        handle_signals=False,
        poll_delay=POLL_S,
        keep_result=0,
        max_tries=1,
        retry_jobs=False,
        log_results=False,
        health_check_interval=30,
        job_serializer=encode,
        job_deserializer=msgspec.msgpack.decode,
    )
