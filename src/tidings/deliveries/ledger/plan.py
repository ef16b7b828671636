"""The log turned into deliveries: one for each event and each destination that wants it.

A shard's cursor moves in the transaction that writes the deliveries, so an event is planned once, whoever is killed in between. The
row of the cursor is also what keeps two planners apart.
"""

from collections.abc import Sequence

import msgspec

from tidings.deliveries.ledger.ordering import order_key
from tidings.deliveries.ledger.wanted import Wishes
from tidings.events.entry import LogEvent
from tidings.events.log import read_after
from tidings.platform.ids import uuid7_texts
from tidings.platform.postgres import Connection

BATCH = 1000

CURSOR = "SELECT position FROM planned WHERE shard = $1 FOR UPDATE SKIP LOCKED"
MOVE = "UPDATE planned SET position = $2 WHERE shard = $1"

# Those who deliver in order hold their lane meanwhile: otherwise the last one of a key could end, and find nobody to wake, between our
# looking for it and our commit.
LOCK_ORDERED = "SELECT FROM lanes WHERE destination = ANY ($1) ORDER BY destination FOR UPDATE"
WRITE = """
INSERT INTO deliveries (id, project, destination, notification, type, shard, position, event_at, accepted_at, order_key, state, reason,
    next_attempt_at)
SELECT new.id, d.project, d.id, new.notification, new.type, $1, new.position, new.event_at, new.accepted_at, new.order_key,
    CASE WHEN d.disabled_at IS NULL THEN 'pending' ELSE 'held' END,
    CASE WHEN d.disabled_at IS NOT NULL THEN 'disabled' END,
    CASE WHEN new.order_key IS NULL OR new.leads AND NOT EXISTS (
        SELECT FROM deliveries AS earlier
        WHERE earlier.destination = d.id AND earlier.order_key = new.order_key AND earlier.state = 'pending'
    ) THEN now() ELSE 'infinity' END
FROM unnest($2::uuid[], $3::bigint[], $4::uuid[], $5::text[], $6::bigint[], $7::timestamptz[], $8::timestamptz[], $9::text[],
    $10::boolean[])
    AS new (id, destination, notification, type, position, event_at, accepted_at, order_key, leads)
JOIN destinations d ON d.id = new.destination AND d.deleted_at IS NULL
"""
# Each time, also when it is due already: a dispatch under way may not have seen the new rows, and would set it back.
WAKE = """
UPDATE lanes SET due_at = coalesce(least(due_at, now()), now())
WHERE destination IN (SELECT destination FROM lanes WHERE destination = ANY ($1) ORDER BY destination FOR UPDATE)
"""


class Plan(msgspec.Struct, frozen=True):
    """One delivery to be written. leads: it is the first of its key in this batch."""

    event: LogEvent
    destination: int
    order_key: str | None
    leads: bool


class Planned(msgspec.Struct, frozen=True):
    """position: of the last event that was looked at; None when another planner has the shard."""

    position: int | None
    deliveries: int
    is_all: bool


async def plan_next(connection: Connection, shard: int, wishes: Wishes) -> Planned:
    """Plan the next events of the shard, in a transaction of its own."""
    async with connection.transaction():
        position = await connection.fetchval(CURSOR, shard)
        if position is None:
            return Planned(None, 0, True)
        events = await read_after(connection, shard, position, BATCH)
        if not events:
            return Planned(position, 0, True)
        plans = await plans_for(connection, events, wishes)
        await write(connection, shard, plans)
        await connection.execute(MOVE, shard, events[-1].position)
        return Planned(events[-1].position, len(plans), len(events) < BATCH)


async def plans_for(connection: Connection, events: Sequence[LogEvent], wishes: Wishes) -> list[Plan]:
    plans: list[Plan] = []
    leaders: set[tuple[int, str | None]] = set()
    for event in events:
        if event.type.startswith("endpoint."):
            wishes.forget(event.project)
    await wishes.load(connection, {event.project for event in events})
    for event in events:
        for wish in wishes.of(event.project, event.type):
            key = order_key(wish.order_by, event.data)
            plans.append(Plan(event, wish.id, key, (wish.id, key) not in leaders))
            leaders.add((wish.id, key))
    return plans


async def write(connection: Connection, shard: int, plans: Sequence[Plan]) -> None:
    if not plans:
        return
    ordered = {plan.destination for plan in plans if plan.order_key is not None}
    if ordered:
        await connection.execute(LOCK_ORDERED, list(ordered))
    events = [plan.event for plan in plans]
    await connection.execute(
        WRITE,
        shard,
        uuid7_texts(len(plans)),
        [plan.destination for plan in plans],
        [event.notification for event in events],
        [event.type for event in events],
        [event.position for event in events],
        [event.created_at for event in events],
        [event.accepted_at for event in events],
        [plan.order_key for plan in plans],
        [plan.leads for plan in plans],
    )
    await connection.execute(WAKE, list({plan.destination for plan in plans}))
