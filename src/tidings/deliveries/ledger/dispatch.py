"""From the ledger to the workers: what is due is leased, and its ids go into ARQ.

A lease is the promise that somebody works on it; who works renews it. Redis may lose what was queued: then the lease runs out, and the
delivery is due again. Lanes are taken with SKIP LOCKED, so any number of processes may dispatch, and what the lane's row counts
(its rate, its single probe) is exact over all of them.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from tidings.deliveries.lanes.allowance import Allowance, DueLane, allowance, slot_after
from tidings.outbound.pool import CONNECTIONS
from tidings.platform.postgres import Connection

# Longer than a worker goes between two renewals, by far; what a dead worker had is taken over after it.
LEASE = timedelta(seconds=10)
# Under way or queued, over all workers: a bound for what waits in Redis, and so for how long. One worker may have all of it, and then has a
# connection for each.
MOST_OUT = CONNECTIONS
MOST_LANES = 200

# A turn for each project, then a second for each: one with a thousand endpoints gets no more turns than one with two. Who has waited
# longest comes first: one that has more to send than it may is due again at once, and MOST_LANES of them would keep all others out.
DUE = """
WITH due AS MATERIALIZED (
    SELECT l.destination, l.due_at, row_number() OVER (PARTITION BY l.project ORDER BY l.due_at) AS turn
    FROM lanes l WHERE l.due_at <= $1 AND NOT l.paused AND l.connector <> ALL (SELECT connector FROM halts)
)
SELECT l.destination, l.project, d.at_once, d.rate, greatest(l.next_slot, 'epoch') AS next_slot, l.breaker, l.opened_at, l.openings
FROM lanes l JOIN destinations d ON d.id = l.destination
WHERE l.destination IN (SELECT destination FROM due ORDER BY turn, due_at LIMIT $2) AND l.due_at <= $1 AND NOT l.paused
ORDER BY l.destination FOR UPDATE OF l SKIP LOCKED
"""
# After the lanes are locked, so that it sees what the dispatch before this one leased. The bound keeps it to the end of the index. Counted
# apart, or an empty partition would be read in the order of another index, and still be when it is full.
OUT = """
WITH leased AS MATERIALIZED (SELECT destination, project FROM deliveries WHERE lease_until IS NOT NULL AND lease_until > $1)
SELECT destination, project, count(*) FROM leased GROUP BY destination, project
"""
LEASE_DUE = """
WITH taken AS MATERIALIZED (
    SELECT due.id, due.destination FROM unnest($1::bigint[], $2::int[]) AS allowed (destination, most)
    CROSS JOIN LATERAL (
        SELECT d.id, d.destination FROM deliveries d
        WHERE d.destination = allowed.destination AND d.state = 'pending' AND d.lease_until IS NULL AND d.next_attempt_at <= $3
        ORDER BY d.next_attempt_at LIMIT allowed.most FOR UPDATE SKIP LOCKED
    ) AS due
)
UPDATE deliveries d SET lease_until = $3 + $4::interval FROM taken WHERE d.id = taken.id RETURNING d.id::text, d.destination
"""
NEXT_DUE = """
SELECT lane.destination, (
    SELECT nullif(d.next_attempt_at, 'infinity') FROM deliveries d
    WHERE d.destination = lane.destination AND d.state = 'pending' AND d.lease_until IS NULL ORDER BY d.next_attempt_at LIMIT 1
) AS next_attempt_at
FROM unnest($1::bigint[]) AS lane (destination)
"""
SET_LANES = """
UPDATE lanes l SET due_at = new.due_at, next_slot = coalesce(new.next_slot, l.next_slot),
    breaker = CASE WHEN l.breaker = 'open' AND new.probes THEN 'half_open' ELSE l.breaker END
FROM unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[], $4::boolean[]) AS new (destination, due_at, next_slot, probes)
WHERE l.destination = new.destination
"""


class Dispatched(msgspec.Struct, frozen=True):
    """ids: of deliveries that are leased now.   again_at: the soonest that another look is worth it, of the lanes seen here."""

    ids: list[str]
    again_at: datetime | None


async def dispatch(connection: Connection, now: datetime, most_out: int = MOST_OUT) -> Dispatched:
    """Lease what is due, in a transaction of its own. What is leased must be queued after it."""
    async with connection.transaction():
        rows = await connection.fetch(DUE, now, MOST_LANES)
        if not rows:
            return Dispatched([], None)
        of_lane, out = await count_out(connection, now)
        lanes = [DueLane(**row, out=of_lane[row["destination"]]) for row in rows]
        allowed = {lane.destination: one for lane, one in zip(lanes, shared(lanes, out, most_out, now), strict=True)}
        leased = await connection.fetch(LEASE_DUE, list(allowed), [one.most for one in allowed.values()], now, LEASE)
        again_at = await set_lanes(connection, lanes, allowed, Counter(row["destination"] for row in leased), now)
        return Dispatched([row["id"] for row in leased], again_at)


async def count_out(connection: Connection, now: datetime) -> tuple[Counter[int], Counter[int]]:
    """Of each destination, and of each project. What ran out longer ago than a lease lasts counts no more, taken back or not."""
    of_lane, of_project = Counter[int](), Counter[int]()
    for destination, project, count in await connection.fetch(OUT, now - LEASE):
        of_lane[destination] += count
        of_project[project] += count
    return of_lane, of_project


def shared(lanes: Sequence[DueLane], out: Counter[int], most_out: int, now: datetime) -> list[Allowance]:
    """What each may send, with an equal share of what is free for each project, and within it for each lane.

    out: of each project. None gets more than leaves as much free as it has out then: however many of its receivers hang, others find room.
    """
    free = max(0, most_out - out.total())
    of_project = Counter(lane.project for lane in lanes)

    def share(project: int) -> int:
        if out[project] >= free:
            return 0
        most = min(free / len(of_project), (free - out[project]) / 2)
        return max(1, int(most / of_project[project]))

    return [allowance(lane, share(lane.project), now) for lane in lanes]


async def set_lanes(
    connection: Connection, lanes: Sequence[DueLane], allowed: dict[int, Allowance], leased: Counter[int], now: datetime
) -> datetime | None:
    """Say of each lane when it is due next. Answers the soonest."""
    rows = await connection.fetch(NEXT_DUE, list(allowed))
    waits: dict[int, datetime | None] = {row["destination"]: row["next_attempt_at"] for row in rows}
    due = {destination: due_again(allowed[destination], next_at, now) for destination, next_at in waits.items()}
    await connection.execute(
        SET_LANES,
        [lane.destination for lane in lanes],
        [due[lane.destination] for lane in lanes],
        [slot_after(lane, leased[lane.destination], now) if lane.rate is not None else None for lane in lanes],
        [lane.breaker == "open" and leased[lane.destination] > 0 for lane in lanes],
    )
    return min((at for at in due.values() if at is not None), default=None)


def due_again(allowed: Allowance, next_at: datetime | None, now: datetime) -> datetime | None:
    """next_at: of the first delivery that still waits. One that is due already waits for what held it back."""
    if next_at is None:
        return None
    return next_at if next_at > now else max(now, allowed.again_at)
