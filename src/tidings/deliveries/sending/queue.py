"""ARQ between dispatch and the workers: jobs that carry ids and nothing else.

A job is only a call: what is to be done stands in PostgreSQL, and a lost one is found again when its leases run out. So nothing of
ARQ's own retries, results or schedules is used. Jobs are msgpack: ARQ's pickle would let whoever writes to Redis run code here.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import msgspec
from arq.connections import ArqRedis
from arq.worker import Worker, func

from tidings.platform.metrics import QUEUE_JOBS, QUEUE_OLDEST
from tidings.platform.redis import open_redis

QUEUE = "tidings:deliveries"
JOB = "deliver"
# Many enough that a job's own cost (about 1 ms, of ARQ) is none to speak of; few enough that they spread over the workers.
IDS_A_JOB = 100
# Of one that nobody took: its leases ran out long before.
EXPIRES_S = 60
# ARQ takes a job when its time has come, by the clock of the worker that looks. A day ago it has come on all of them.
EARLIER = timedelta(days=1)
# ARQ's own 0.5 s would be the longest part of a delivery's way; at 0.01 s an idle worker takes some 3 % of a core.
POLL_S = 0.01
# Ends those who were left behind by a fault of ours. A job only claims and starts; it waits while its worker is full.
JOB_TIMEOUT_S = 120
JOBS_AT_ONCE = 20

# ARQ encodes why it gives a job up, though no result is kept. That is an exception; refused, it would be a traceback in the log for each.
encode = partial(msgspec.msgpack.encode, enc_hook=str)


def open_queue(redis_url: str) -> ArqRedis:
    return ArqRedis(
        pool_or_conn=open_redis(redis_url).connection_pool,
        job_serializer=msgspec.msgpack.encode,
        job_deserializer=msgspec.msgpack.decode,
        default_queue_name=QUEUE,
    )


async def enqueue(queue: ArqRedis, ids: Sequence[str], now: datetime) -> None:
    """Raises what REDIS_AWAY names. now: the ledger's, so that the jobs of all planners are in one order."""
    for start in range(0, len(ids), IDS_A_JOB):
        await queue.enqueue_job(JOB, list(ids[start : start + IDS_A_JOB]), _defer_until=now - EARLIER, _expires=EXPIRES_S)


async def waiting_jobs(queue: ArqRedis) -> int:
    return int(await queue.zcard(QUEUE))


async def show_queue(queue: ArqRedis, now: datetime) -> None:
    """At /metrics. now: the ledger's, by which jobs were put there."""
    QUEUE_JOBS.labels("deliveries").set(await queue.zcard(QUEUE))
    first = await queue.zrange(QUEUE, 0, 0, withscores=True)
    put_at = first[0][1] / 1000 + EARLIER.total_seconds() if first else now.timestamp()
    QUEUE_OLDEST.labels("deliveries").set(max(0.0, now.timestamp() - put_at))


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


def worker_on(queue: ArqRedis, deliver: Callable[[Sequence[str]], Awaitable[None]]) -> Worker:
    """Runs until cancelled, or until Redis goes away: then it raises what REDIS_AWAY names, and another one is to be made."""

    async def run(ctx: dict[Any, Any], *arguments: Any, **_: Any) -> None:
        await deliver(arguments[0])

    return QuietWorker(
        functions=[func(run, name=JOB, max_tries=1, keep_result=0, timeout=JOB_TIMEOUT_S)],
        redis_pool=queue,
        queue_name=QUEUE,
        handle_signals=False,
        max_jobs=JOBS_AT_ONCE,
        poll_delay=POLL_S,
        keep_result=0,
        max_tries=1,
        retry_jobs=False,
        log_results=False,
        health_check_interval=30,
        job_serializer=encode,
        job_deserializer=msgspec.msgpack.decode,
    )
