"""What the process of a worker and of the planner show of deliveries at /metrics, by connector."""

from collections.abc import Callable, Iterable
from datetime import datetime

from tidings.deliveries.ledger.claim import AttemptKey, Claimed
from tidings.deliveries.ledger.settle import Result
from tidings.platform.metrics import (
    ATTEMPTS,
    BREAKERS,
    DELIVERIES,
    DELIVERIES_DUE,
    DELIVERIES_OVERDUE,
    DELIVERIES_WAITING,
    DELIVERY_LATENCY,
    HALTED,
    LEASES,
    PLANNER_LAG,
)
from tidings.platform.postgres import Connection

STATES = ("closed", "open", "half_open")

# A lane without `due_at` has nothing that waits, but perhaps something under way. A paused one holds what it has.
WAITING = """
SELECT l.connector, min((
    SELECT d.accepted_at FROM deliveries d WHERE d.destination = l.destination AND d.state = 'pending' AND d.state <> 'delivered'
    ORDER BY d.id LIMIT 1
)) FROM lanes l WHERE l.due_at IS NOT NULL AND NOT l.paused GROUP BY 1
"""
LANES = f"""
SELECT connector, {", ".join(f"count(*) FILTER (WHERE breaker = '{state}' AND NOT paused)" for state in STATES)} FROM lanes GROUP BY 1
"""
# By the delivery's own time: what the rate, the breaker, a pause or a halted connector holds back is due, too.
DUE = """
SELECT l.connector, sum(due.count)::bigint, min(due.since) FROM lanes l CROSS JOIN LATERAL (
    SELECT count(*) AS count, min(d.next_attempt_at) AS since FROM deliveries d WHERE l.due_at IS NOT NULL AND NOT l.paused
        AND d.destination = l.destination AND d.state = 'pending' AND d.lease_until IS NULL AND d.next_attempt_at <= $1
) AS due GROUP BY 1
"""
LEASED = "SELECT count(*) FROM deliveries WHERE lease_until IS NOT NULL"
# After a restore the log may end before what was planned.
LAG = "SELECT p.shard, greatest(s.head - p.position, 0) FROM planned p JOIN shards s ON s.shard = p.shard"


async def observe_waiting(connection: Connection, now: datetime) -> None:
    """The gauges of all destinations together, the same in each process that looks."""
    waiting = dict(await connection.fetch(WAITING))
    for connector, *counts in await connection.fetch(LANES):
        DELIVERIES_WAITING.labels(connector).set(seconds_since(waiting.get(connector), now))
        for state, count in zip(STATES, counts, strict=True):
            BREAKERS.labels(connector, state).set(count)


async def observe_ledger(connection: Connection, now: datetime) -> None:
    """Those, and what tells whether planners and workers keep up. Reads every delivery that is due, so it is for who asks."""
    await observe_waiting(connection, now)
    for connector, count, since in await connection.fetch(DUE, now):
        DELIVERIES_DUE.labels(connector).set(count)
        DELIVERIES_OVERDUE.labels(connector).set(seconds_since(since, now))
    halted = await connection.fetch("SELECT connector FROM halts")
    # Those that go on again are no longer in the table. Nothing is awaited from here on: a scrape would see none.
    HALTED.clear()
    for (connector,) in halted:
        HALTED.labels(connector).set(1)
    LEASES.set(await connection.fetchval(LEASED))
    for shard, lag in await connection.fetch(LAG):
        PLANNER_LAG.labels(str(shard)).set(lag)


def seconds_since(at: datetime | None, now: datetime) -> float:
    return 0.0 if at is None else max(0.0, (now - at).total_seconds())


def count_settled(results: Iterable[Result], written: set[AttemptKey], connector_of: Callable[[Claimed], str | None]) -> None:
    """Call it once they are committed. written: as `settle` answered.   connector_of: None for one whose destination cannot be read."""
    for result in results:
        connector = connector_of(result.of)
        if connector is None or result.of.key not in written:
            continue
        ATTEMPTS.labels(connector, result.outcome.kind).inc()
        if result.next.state == "pending":
            continue
        DELIVERIES.labels(connector, result.next.state).inc()
        if result.next.state == "delivered":
            DELIVERY_LATENCY.labels(connector).observe(seconds_since(result.of.accepted_at, result.ended_at))
