"""What a lane learns from attempts that ended: breaker, health, and when to look at it again."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from tidings.deliveries.destinations.kinds import kind_of
from tidings.deliveries.lanes.breaker import tell
from tidings.deliveries.lanes.health import due_warning, note, way_to_disabled
from tidings.deliveries.lanes.lane import CHANGING, COLUMNS, Lane
from tidings.deliveries.ledger.outcome import Outcome
from tidings.events.entry import NewEvent
from tidings.events.outbox import append
from tidings.platform.postgres import Connection

LOCK = f"SELECT {COLUMNS} FROM lanes WHERE destination = ANY ($1) ORDER BY destination FOR UPDATE"
# Due at once: what its next delivery waits for may have changed, and dispatch knows better when that is.
WRITE = f"""
UPDATE lanes l SET due_at = now(), {", ".join(f"{name} = new.{name}" for name in CHANGING)}
FROM json_populate_recordset(NULL::lanes, $1::json) AS new WHERE l.destination = new.destination
"""
DISABLE = """
UPDATE destinations d SET disabled_at = now(), disabled_as = $2, updated_at = now() FROM projects p
WHERE d.id = $1 AND p.id = d.project AND d.disabled_at IS NULL AND d.deleted_at IS NULL RETURNING d.key, d.project, p.shard
"""
PAUSE_LANE = "UPDATE lanes SET paused = true, due_at = now() WHERE destination = $1"
WHOSE = "SELECT d.key, d.project, p.shard FROM destinations d JOIN projects p ON p.id = d.project WHERE d.id = $1 AND d.disabled_at IS NULL"

PAUSE = timedelta(seconds=2)
LONGEST_PAUSE = timedelta(seconds=60)


async def report(
    connection: Connection, outcomes: Mapping[int, Sequence[Outcome]], now: datetime, workers_now: datetime | None = None
) -> None:
    """Change the lanes by how attempts ended, in the caller's transaction.

    workers_now: the same moment by the clock of the worker, in whose time outcomes say when to come again.
    """
    lanes = [Lane(**row) for row in await connection.fetch(LOCK, sorted(outcomes))]
    events: list[NewEvent] = []
    for lane in lanes:
        those = outcomes[lane.destination]
        # A refusal is an answer: whoever gives it is there.
        tell(lane, [outcome.kind != "retry" for outcome in those], now)
        for outcome in those:
            note(lane, outcome.kind, now)
        lane.next_slot = max([lane.next_slot, *(now + pause_of(outcome, workers_now or now) for outcome in those if outcome.slow_down)])
        events += await judge(connection, lane, those, now)
    await connection.execute(WRITE, msgspec.json.encode(lanes).decode())
    await append(connection, events)


def pause_of(outcome: Outcome, now: datetime) -> timedelta:
    """For how long nothing goes to a receiver that has too much to do."""
    asked = outcome.retry_after - now if outcome.retry_after else PAUSE
    return max(timedelta(0), min(asked, LONGEST_PAUSE))


async def judge(connection: Connection, lane: Lane, outcomes: Sequence[Outcome], now: datetime) -> list[NewEvent]:
    """Disable what is gone or has failed too long; warn on the way there."""
    if any(outcome.is_gone for outcome in outcomes):
        return await disable(connection, lane, "gone")
    if way_to_disabled(lane, now) >= 100:
        return await disable(connection, lane, "failing")
    percent = due_warning(lane, now)
    if percent is None:
        return []
    lane.warned = percent
    row = await connection.fetchrow(WHOSE, lane.destination)
    data = {"id": row["key"], "percent": percent, "failing_since": lane.failing_since, "failures": lane.failures} if row else {}
    return [event_of(row, "failing", data)] if row else []


async def disable(connection: Connection, lane: Lane, reason: str) -> list[NewEvent]:
    row = await connection.fetchrow(DISABLE, lane.destination, reason)
    await connection.execute(PAUSE_LANE, lane.destination)
    data = {"reason": reason, "failing_since": lane.failing_since, "failures": lane.failures}
    return [event_of(row, "disabled", {"id": row["key"]} | data)] if row else []


def event_of(row: Mapping[str, object], what: str, data: Mapping[str, object]) -> NewEvent:
    return NewEvent(
        project=int(str(row["project"])),
        shard=int(str(row["shard"])),
        type=f"{kind_of(str(row['key'])).name}.{what}",
        data=msgspec.json.encode(data).decode(),
        actor="system:deliveries",
    )
