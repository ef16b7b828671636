"""What the process of a worker and of the planner show of deliveries at /metrics, by connector."""

from collections.abc import Callable, Iterable
from datetime import datetime

from tidings.deliveries.ledger.claim import Claimed
from tidings.deliveries.ledger.settle import Result
from tidings.platform.metrics import BREAKERS_OPEN, DELIVERIES, DELIVERIES_WAITING, DELIVERY_LATENCY
from tidings.platform.postgres import Connection

# A lane without `due_at` has nothing that waits, but perhaps something under way. A paused one holds what it has.
WAITING = """
SELECT l.connector, min((
    SELECT d.accepted_at FROM deliveries d WHERE d.destination = l.destination AND d.state = 'pending' AND d.state <> 'delivered'
    ORDER BY d.id LIMIT 1
)) FROM lanes l WHERE l.due_at IS NOT NULL AND NOT l.paused GROUP BY 1
"""
BREAKERS = "SELECT connector, count(*) FILTER (WHERE breaker <> 'closed' AND NOT paused) FROM lanes GROUP BY 1"


async def observe_waiting(connection: Connection, now: datetime) -> None:
    """The gauges of all destinations together, the same in each process that looks."""
    waiting = dict(await connection.fetch(WAITING))
    for connector, is_open in await connection.fetch(BREAKERS):
        oldest = waiting.get(connector)
        DELIVERIES_WAITING.labels(connector).set(0 if oldest is None else max(0.0, (now - oldest).total_seconds()))
        BREAKERS_OPEN.labels(connector).set(is_open)


def count_settled(results: Iterable[Result], written: set[str], connector_of: Callable[[Claimed], str | None]) -> None:
    """Call it once they are committed. written: as `settle` answered.   connector_of: None for one whose destination cannot be read."""
    for result in results:
        connector = connector_of(result.of)
        if connector is None or result.of.id not in written or result.next.state == "pending":
            continue
        DELIVERIES.labels(connector, result.next.state).inc()
        if result.next.state == "delivered":
            DELIVERY_LATENCY.labels(connector).observe(max(0.0, (result.ended_at - result.of.accepted_at).total_seconds()))
