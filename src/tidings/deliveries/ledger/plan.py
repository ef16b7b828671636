"""The log turned into deliveries: one for each event and each destination that wants it.

A shard's cursor moves in the transaction that writes the deliveries, so an event is planned once, whoever is killed in between. The
row of the cursor is also what keeps two planners apart.
"""

from collections.abc import Iterator, Sequence

import msgspec

from tidings.deliveries.ledger.channels import addressed
from tidings.deliveries.ledger.expansion import begin_expansion
from tidings.deliveries.ledger.ordering import order_key
from tidings.deliveries.ledger.wanted import Wishes
from tidings.deliveries.ledger.write import Plan, wake, write
from tidings.events.entry import LogEvent
from tidings.events.log import read_after
from tidings.platform.postgres import Connection

BATCH = 1000

CURSOR = "SELECT position FROM planned WHERE shard = $1 FOR UPDATE SKIP LOCKED"
MOVE = "UPDATE planned SET position = $2 WHERE shard = $1"

WITHDRAWALS = ("notification.retracted", "notification.expired")
CANCEL_WITHDRAWN = """
UPDATE deliveries SET state = 'cancelled', reason = 'withdrawn', finished_at = now()
WHERE notification = ANY ($1::uuid[]) AND subscriber IS NOT NULL AND state IN ('pending', 'held') AND lease_until IS NULL
"""


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
        await wishes.load(connection, events)
        plans = [*plans_once(events, wishes), *await plans_for_people(connection, shard, events, wishes)]
        held = await write(connection, shard, plans)
        await cancel_withdrawn(connection, events, wishes)
        await wake(connection, plans, held)
        await connection.execute(MOVE, shard, events[-1].position)
        return Planned(events[-1].position, len(plans), len(events) < BATCH)


def plans_once(events: Sequence[LogEvent], wishes: Wishes) -> Iterator[Plan]:
    leaders: set[tuple[int, str | None]] = set()
    for event in events:
        for wish in wishes.of(event):
            key = order_key(wish.order_by, event.data)
            yield Plan(event, wish.id, key, (wish.id, key) not in leaders)
            leaders.add((wish.id, key))


async def plans_for_people(connection: Connection, shard: int, events: Sequence[LogEvent], wishes: Wishes) -> list[Plan]:
    """A delivery for each recipient who has an address. A large audience is expanded afterwards, piece by piece."""
    plans: list[Plan] = []
    for event in events:
        for wish in wishes.to_people(event):
            if event.topics is not None or event.everyone:
                await begin_expansion(connection, shard, event, wish)
            else:
                subscribers = await addressed(connection, wish.channel, list(event.recipients or ()))
                plans += [Plan(event, wish.id, subscriber=subscriber) for subscriber in subscribers]
    return plans


async def cancel_withdrawn(connection: Connection, events: Sequence[LogEvent], wishes: Wishes) -> None:
    """What people have not got yet of a notification that was taken back, they do not get."""
    withdrawn = [event.notification for event in events if event.type in WITHDRAWALS and wishes.reaches_people(event.project)]
    if withdrawn:
        await connection.execute(CANCEL_WITHDRAWN, withdrawn)
