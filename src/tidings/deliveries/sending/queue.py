"""ARQ between dispatch and the workers: jobs that carry ids and nothing else.

A lost job is found again when its leases run out.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from arq.connections import ArqRedis
from arq.worker import Worker

from tidings.platform import jobs
from tidings.platform.metrics import QUEUE_JOBS, QUEUE_OLDEST

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


def open_queue(redis_url: str) -> ArqRedis:
    return jobs.open_queue(redis_url, QUEUE)


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


def worker_on(queue: ArqRedis, deliver: Callable[[Sequence[str]], Awaitable[None]]) -> Worker:
    """See `jobs.worker_of`."""

    async def run(ctx: dict[Any, Any], *arguments: Any, **_: Any) -> None:
        await deliver(arguments[0])

    return jobs.worker_of(queue, JOB, run, poll_s=POLL_S, most=JOBS_AT_ONCE, timeout_s=JOB_TIMEOUT_S)
