"""ARQ as our queues use it: a job is only a call.

What is to be done stands in PostgreSQL, where it is found again should a job be lost. So nothing of ARQ's own retries, results or
schedules is used. Jobs are msgpack: ARQ's pickle would let whoever writes to Redis run code here.
"""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import msgspec
from arq.connections import ArqRedis
from arq.worker import Worker, func

from tidings.platform.redis import open_redis

decode = msgspec.msgpack.decode
# ARQ encodes why it gives a job up, though no result is kept. That is an exception; refused, it would be a traceback in the log for each.
encode = partial(msgspec.msgpack.encode, enc_hook=str)


def open_queue(redis_url: str, name: str) -> ArqRedis:
    pool = open_redis(redis_url).connection_pool
    return ArqRedis(pool_or_conn=pool, job_serializer=encode, job_deserializer=decode, default_queue_name=name)


def worker_of(
    queue: ArqRedis, job: str, run: Callable[..., Coroutine[Any, Any, None]], *, poll_s: float, most: int, timeout_s: float
) -> Worker:
    """Runs until cancelled, or until Redis goes away: then it raises what REDIS_AWAY names, and another one is to be made.

    run: called with ARQ's context and what the job carries.   most: jobs at the same time.
    """
    return QuietWorker(
        functions=[func(run, name=job, max_tries=1, keep_result=0, timeout=timeout_s)],
        redis_pool=queue,
        queue_name=queue.default_queue_name,
        handle_signals=False,
        max_jobs=most,
        poll_delay=poll_s,
        keep_result=0,
        max_tries=1,
        retry_jobs=False,
        log_results=False,
        health_check_interval=30,
        job_serializer=encode,
        job_deserializer=decode,
    )


class QuietWorker(Worker):
    """Says once that Redis went away, by what it raises, and not again for each job that it had begun."""

    async def main(self) -> None:
        try:
            await super().main()
        finally:
            for task in self.tasks.values():
                task.add_done_callback(look_at)


def look_at(ended: asyncio.Task[Any]) -> None:
    """Nobody is told that nobody did."""
    _ = ended.cancelled() or ended.exception()
