"""Deliveries held for a person to decide, after a restore to an earlier moment: whether they went out after it, nobody knows.

All that was on its way is held as `restored`. A person releases it, at a rate, or gives it up; one by one over the API (resend, cancel), or
all of a destination, a project or the deployment (`tidings backup held`).
"""

from datetime import datetime

import msgspec

from tidings.deliveries.ledger.ranges import IN_ORDER
from tidings.deliveries.ledger.resend import WAKE, has_its_turn
from tidings.platform.postgres import Connection

REASON = "restored"
PIECE = 1000
# All at once, which nobody waits for: 100,000 take seconds.
HOLDS_WITHIN_S = 3600.0

HOLD = f"""
WITH waiting AS MATERIALIZED (SELECT id, attempts FROM deliveries WHERE state = 'pending'), unknown AS (
    UPDATE attempts a SET ended_at = now(), outcome = 'lost', reason = '{REASON}',
        detail = 'It was under way at the moment that was restored; whether it arrived is not known.'
    FROM waiting w WHERE a.delivery = w.id AND a.number = w.attempts + 1 AND a.outcome IS NULL RETURNING a.delivery
)
UPDATE deliveries d SET state = 'held', reason = '{REASON}', lease_until = NULL,
    attempts = d.attempts + (unknown.delivery IS NOT NULL)::int, round = d.round + (unknown.delivery IS NOT NULL)::int
FROM waiting w LEFT JOIN unknown ON unknown.delivery = w.id WHERE d.id = w.id
"""
REST = "UPDATE lanes SET due_at = NULL WHERE due_at IS NOT NULL"
# One that was under way would send again what is held.
STOP_REPLAYS = "UPDATE replays SET cancelled_at = now(), finished_at = now() WHERE finished_at IS NULL"

HELD = f"""
SELECT p.key AS project, t.key AS destination, t.connector, count(*) AS deliveries,
    min(d.accepted_at) AS oldest, max(d.accepted_at) AS newest
FROM deliveries d JOIN destinations t ON t.id = d.destination JOIN projects p ON p.id = d.project
WHERE d.state = 'held' AND d.reason = '{REASON}' AND ($1::int IS NULL OR d.project = $1) AND ($2::text IS NULL OR t.key = $2)
GROUP BY p.key, t.key, t.connector ORDER BY p.key, t.key
"""
NEXT = f"""
SELECT d.destination FROM deliveries d JOIN destinations t ON t.id = d.destination JOIN lanes l ON l.destination = d.destination
WHERE d.state = 'held' AND d.reason = '{REASON}' AND ($1::int IS NULL OR d.project = $1) AND ($2::text IS NULL OR t.key = $2)
  AND (NOT $3 OR NOT l.paused)
LIMIT 1
"""
LOCK_LANE = "SELECT paused FROM lanes WHERE destination = $1 FOR UPDATE"
# At a rate: each is due a little after the one before it. Of each key the first goes, the others wait for it.
RELEASE = f"""
WITH mine AS MATERIALIZED (
    SELECT id, destination, order_key FROM deliveries WHERE destination = $1 AND state = 'held' AND reason = '{REASON}'
    ORDER BY destination, state, id LIMIT $2 FOR UPDATE
), turns AS (
    SELECT id, row_number() OVER (ORDER BY id) AS place,
        {has_its_turn("mine")} AND (order_key IS NULL OR row_number() OVER (PARTITION BY order_key ORDER BY id) = 1) AS has_its_turn
    FROM mine
)
UPDATE deliveries d SET state = 'pending', reason = NULL, round = d.attempts,
    next_attempt_at = CASE WHEN turns.has_its_turn THEN $3::timestamptz + turns.place * interval '1 second' / $4::float8 ELSE 'infinity' END
FROM turns WHERE d.id = turns.id
"""
GIVE_UP = f"""
UPDATE deliveries SET state = 'cancelled', reason = '{REASON}', finished_at = $3 WHERE id IN (
    SELECT id FROM deliveries WHERE destination = $1 AND state = 'held' AND reason = '{REASON}'
    ORDER BY destination, state, id LIMIT $2 FOR UPDATE
)
"""


class Held(msgspec.Struct, frozen=True):
    """Of one destination. oldest, newest: when the events were accepted."""

    project: str
    destination: str
    connector: str
    deliveries: int
    oldest: datetime
    newest: datetime


async def hold_everything(connection: Connection) -> int:
    """Before any worker runs; how many. connection: of the worker's role."""
    async with connection.transaction():
        await connection.execute(STOP_REPLAYS)
        held = changed_by(await connection.execute(HOLD, timeout=HOLDS_WITHIN_S))
        await connection.execute(REST)
        return held


async def held_for_review(connection: Connection, project: int | None = None, destination: str | None = None) -> list[Held]:
    """project: inner number.   destination: its key; None: all."""
    return [Held(**row) for row in await connection.fetch(HELD, project, destination)]


async def release_next(connection: Connection, project: int | None, destination: str | None, rate: float, begin: datetime) -> int:
    """Put a piece of one destination on its way, in a transaction of its own; 0 when none is left. What goes to a disabled one stays held.

    rate: deliveries a second, to each destination.   begin: when the first of the piece is due.
    """
    async with connection.transaction():
        lane = await connection.fetchval(NEXT, project, destination, True)
        if lane is None or await connection.fetchval(LOCK_LANE, lane):
            return 0
        await connection.execute(IN_ORDER)
        released = changed_by(await connection.execute(RELEASE, lane, PIECE, begin, rate))
        await connection.execute(WAKE, lane, begin)
        return released


async def give_up_next(connection: Connection, project: int | None, destination: str | None, now: datetime) -> int:
    """Cancel a piece of one destination, in a transaction of its own; 0 when none is left."""
    async with connection.transaction():
        lane = await connection.fetchval(NEXT, project, destination, False)
        if lane is None:
            return 0
        await connection.fetchval(LOCK_LANE, lane)
        return changed_by(await connection.execute(GIVE_UP, lane, PIECE, now))


def changed_by(command: str) -> int:
    return int(command.split()[-1])
