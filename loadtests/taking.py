"""What the planner and the workers ask of the ledger, one step after another, with nothing sent in between; and the floor beneath it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import msgspec

from loadtests.ground import Running
from tidings.deliveries.ledger.claim import Claimed, claim
from tidings.deliveries.ledger.clock import time_of
from tidings.deliveries.ledger.dispatch import dispatch
from tidings.deliveries.ledger.outcome import Next, Outcome
from tidings.deliveries.ledger.settle import Result, settle
from tidings.outbound.latency import Latency
from tidings.platform.ids import uuid7_texts

BATCH = 100
# Batches at the same time, each on a connection, as in a worker.
AT_ONCE = 4
WORKER = "worker-1:4711"
LATER = timedelta(hours=1)

ARRIVED = Outcome(
    kind="delivered",
    reason="http_200",
    status=200,
    latency=Latency(dns_ms=0.4, connect_ms=1.2, tls_ms=9.7, first_byte_ms=61.5, total_ms=62.1),
    response=b"ok",
)
FAILED = Outcome(kind="retry", reason="http_503", status=503, latency=Latency(first_byte_ms=61.5, total_ms=62.1), response=b"busy")

# The attempts again, without partitions and whose they are.
FLOOR = "DROP TABLE IF EXISTS floor; CREATE TABLE floor (LIKE attempts INCLUDING ALL)"
FLOOR_INSERT = """
INSERT INTO floor (delivery, number, project, destination, worker)
SELECT delivery, 1, 1, destination, $3 FROM unnest($1::uuid[], $2::bigint[]) AS new (delivery, destination)
"""
FLOOR_UPDATE = """
UPDATE floor SET ended_at = now(), outcome = 'delivered', reason = 'http_200', detail = '', status = 200, total_ms = r.total_ms,
    response = r.response
FROM unnest($1::uuid[], $2::real[], $3::bytea[]) AS r (delivery, total_ms, response) WHERE floor.delivery = r.delivery
"""


class Taken(msgspec.Struct):
    """Of all that was due. leasing_s, working_s: seconds spent on leasing, and on claiming and settling.   leases_ms: each dispatch."""

    rows: int = 0
    working_s: float = 0.0
    leases_ms: list[float] = []

    @property
    def rate(self) -> float:
        return self.rows / self.working_s

    @property
    def leasing(self) -> float:
        return self.rows / sum(self.leases_ms) * 1000


async def lease(connection: Any) -> list[str]:
    return (await dispatch(connection, await time_of(connection))).ids


async def take_all(pool: asyncpg.Pool) -> Taken:
    """Lease what is due, claim and settle it, until nothing is due any more."""
    taken = Taken()
    while True:
        async with pool.acquire() as connection:
            began = time.perf_counter()
            ids = await lease(connection)
        if not ids:
            return taken
        taken.leases_ms.append((time.perf_counter() - began) * 1000)
        taken.rows += len(ids)
        taken.working_s += await side_by_side(batches(ids), lambda batch: claim_and_settle(pool, batch))


async def claim_and_settle(pool: asyncpg.Pool, ids: Sequence[str]) -> None:
    async with pool.acquire() as connection:
        claimed = await claim(connection, ids, WORKER)
    async with pool.acquire() as connection:
        written = await settle(connection, results(claimed))
    if len(written) != len(ids):
        raise RuntimeError(f"{len(ids)} were leased, {len(claimed)} claimed, {len(written)} settled")


def results(claimed: Sequence[Claimed], failed: Collection[int] = ()) -> list[Result]:
    """How they ended. failed: which of them are to be tried again, by their places."""
    now = datetime.now(UTC)
    retry = Next("pending", now + LATER)
    return [
        Result(one, FAILED, retry, now) if place in failed else Result(one, ARRIVED, Next("delivered"), now)
        for place, one in enumerate(claimed)
    ]


async def make_floor(running: Running) -> None:
    connection = await asyncpg.connect(running.postgres.program.url)
    try:
        await connection.execute(f"{FLOOR}; ALTER TABLE floor OWNER TO tidings_worker")
    finally:
        await connection.close()


async def floor(pool: asyncpg.Pool, rows: int) -> float:
    """Rows inserted and updated a second."""
    return rows / await side_by_side(batches(uuid7_texts(rows)), lambda batch: insert_and_update(pool, batch))


async def insert_and_update(pool: asyncpg.Pool, ids: Sequence[str]) -> None:
    async with pool.acquire() as connection:
        await connection.execute(FLOOR_INSERT, ids, [1] * len(ids), WORKER)
    async with pool.acquire() as connection:
        await connection.execute(FLOOR_UPDATE, ids, [62.1] * len(ids), [b"ok"] * len(ids))


def batches(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + BATCH] for start in range(0, len(ids), BATCH))


async def side_by_side(waiting: Iterator[Sequence[str]], work: Callable[[Sequence[str]], Awaitable[None]]) -> float:
    """Seconds until all was worked off."""

    async def one_after_another() -> None:
        for batch in waiting:
            await work(batch)

    began = time.perf_counter()
    await asyncio.gather(*(one_after_another() for _ in range(AT_ONCE)))
    return time.perf_counter() - began
