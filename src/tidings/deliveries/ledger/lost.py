"""Leases that ran out: their worker died, stands still, or never got the job. The deliveries are due again, with the same id.

An attempt that had begun may have arrived or not: it is settled as `lost`, which is what its worker finds should it come back.
"""

from collections.abc import Sequence
from datetime import datetime

from tidings.platform.postgres import Connection

MOST = 1000

TAKE_BACK = """
WITH lapsed AS MATERIALIZED (
    SELECT id, destination, attempts FROM deliveries WHERE lease_until IS NOT NULL AND lease_until < $1 LIMIT $2 FOR UPDATE SKIP LOCKED
), lost AS (
    UPDATE attempts a SET ended_at = $1, outcome = 'lost', reason = 'worker_lost',
        detail = 'The worker that made this attempt was lost; whether it arrived is not known.'
    FROM lapsed WHERE a.delivery = lapsed.id AND a.number = lapsed.attempts + 1 AND a.outcome IS NULL
    RETURNING a.delivery
), freed AS (
    UPDATE deliveries d SET lease_until = NULL, attempts = d.attempts + (lost.delivery IS NOT NULL)::int,
        -- A lost attempt is none of the schedule's: it told nothing of the receiver.
        round = d.round + (lost.delivery IS NOT NULL)::int,
        next_attempt_at = $1, reason = CASE WHEN lost.delivery IS NOT NULL THEN 'worker_lost' ELSE d.reason END,
        state = CASE WHEN lost.delivery IS NOT NULL AND t.connector = ANY ($3) THEN 'held' ELSE d.state END
    FROM lapsed JOIN destinations t ON t.id = lapsed.destination LEFT JOIN lost ON lost.delivery = lapsed.id WHERE d.id = lapsed.id
    RETURNING d.destination
)
SELECT DISTINCT destination FROM freed
"""
WAKE = """
UPDATE lanes SET due_at = coalesce(least(due_at, $2), $2)
WHERE destination IN (SELECT destination FROM lanes WHERE destination = ANY ($1) ORDER BY destination FOR UPDATE)
"""


async def take_back(connection: Connection, now: datetime, never_twice: Sequence[str] = ()) -> bool:
    """Free what nobody holds any more, in a transaction of its own; whether there was any.

    never_twice: connectors whose receivers cannot tell a repetition. What they may have sent is held for a person to decide.
    """
    async with connection.transaction():
        destinations = [row[0] for row in await connection.fetch(TAKE_BACK, now, MOST, list(never_twice))]
        if destinations:
            await connection.execute(WAKE, destinations, now)
        return bool(destinations)
