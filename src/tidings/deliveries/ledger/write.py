"""Writing planned deliveries."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from tidings.events.entry import LogEvent
from tidings.platform.ids import rise_above, uuid7_texts
from tidings.platform.postgres import Connection

# Those who deliver in order hold their lane meanwhile: otherwise the last one of a key could end, and find nobody to wake, between our
# looking for it and our commit.
LOCK_ORDERED = "SELECT FROM lanes WHERE destination = ANY ($1) ORDER BY destination FOR UPDATE"
# A key's deliveries go in the order of their ids, so these rise with the log, though the planner before this one had a faster clock.
NEWEST = """
SELECT newest.id FROM unnest($1::bigint[]) AS lane (destination)
CROSS JOIN LATERAL (SELECT id FROM deliveries d WHERE d.destination = lane.destination ORDER BY id DESC LIMIT 1) AS newest
ORDER BY newest.id DESC LIMIT 1
"""
WRITE = """
INSERT INTO deliveries (id, project, destination, subscriber, notification, type, shard, position, event_at, accepted_at, order_key,
    state, reason, next_attempt_at)
SELECT new.id, d.project, d.id, new.subscriber, new.notification, new.type, $1, new.position, new.event_at, new.accepted_at, new.order_key,
    CASE WHEN d.disabled_at IS NULL THEN 'pending' ELSE 'held' END,
    CASE WHEN d.disabled_at IS NOT NULL THEN 'disabled' END,
    CASE WHEN new.order_key IS NULL OR new.leads AND NOT EXISTS (
        SELECT FROM deliveries AS earlier
        WHERE earlier.destination = d.id AND earlier.order_key = new.order_key AND earlier.state = 'pending'
    ) THEN now() ELSE 'infinity' END
FROM unnest($2::uuid[], $3::bigint[], $4::uuid[], $5::text[], $6::bigint[], $7::timestamptz[], $8::timestamptz[], $9::text[],
    $10::boolean[], $11::bigint[])
    AS new (id, destination, notification, type, position, event_at, accepted_at, order_key, leads, subscriber)
JOIN destinations d ON d.id = new.destination AND d.deleted_at IS NULL
RETURNING id, state
"""
# Found disabled, and enabled by the time its lane was locked: its backfill may have passed already.
RELEASE = """
UPDATE deliveries d SET state = 'pending', reason = NULL FROM lanes l
WHERE d.id = ANY ($1::uuid[]) AND d.state = 'held' AND l.destination = d.destination AND NOT l.paused
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
    order_key: str | None = None
    leads: bool = True
    subscriber: int | None = None


async def write(connection: Connection, shard: int, plans: Sequence[Plan]) -> list[UUID]:
    """Answers those that are held from the beginning, which `wake` looks at again."""
    if not plans:
        return []
    ordered = {plan.destination for plan in plans if plan.order_key is not None}
    if ordered:
        await connection.execute(LOCK_ORDERED, list(ordered))
        newest = await connection.fetchval(NEWEST, list(ordered))
        if newest is not None:
            rise_above(newest)
    events = [plan.event for plan in plans]
    rows = await connection.fetch(
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
        [plan.subscriber for plan in plans],
    )
    return [row["id"] for row in rows if row["state"] == "held"]


async def wake(connection: Connection, plans: Sequence[Plan], held: Sequence[UUID]) -> None:
    """Say that there is something to dispatch. Last in the transaction: it waits for the lanes."""
    if plans:
        await connection.execute(WAKE, list({plan.destination for plan in plans}))
    if held:
        await connection.execute(RELEASE, held)
