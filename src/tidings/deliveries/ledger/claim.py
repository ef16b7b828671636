"""Taking deliveries: the row of the attempt is the claim, so each attempt is made by one worker, and is known before it is made."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from tidings.platform.postgres import Connection

# Only what is leased: a job that waited so long that its leases ran out finds its deliveries elsewhere. Looked at by their ids first: asked
# for what is leased among these, PostgreSQL reads all that is leased, or was since the oldest open snapshot, for each hundred of them.
# A switched-off connector is asked for here too, so that what is queued does not go out after it.
CLAIM = """
WITH named AS MATERIALIZED (
    SELECT d.id, d.attempts, d.project, d.destination, d.state, d.lease_until
    FROM unnest($1::uuid[]) AS wanted (id) JOIN deliveries d ON d.id = wanted.id
), mine AS (
    INSERT INTO attempts (delivery, number, project, destination, worker)
    SELECT d.id, d.attempts + 1, d.project, d.destination, $2 FROM named d JOIN lanes l ON l.destination = d.destination
    WHERE d.state = 'pending' AND d.lease_until IS NOT NULL AND NOT l.paused AND l.connector <> ALL (SELECT connector FROM halts)
    ON CONFLICT DO NOTHING
    RETURNING delivery, number
)
SELECT d.id::text, mine.number, d.round, d.project, d.destination, t.updated_at AS destination_as_of, d.order_key, d.type, d.accepted_at,
    d.notification::text, d.subscriber, e.data::text, e.internal::text, e.actor, cardinality(e.recipients) AS recipients,
    s.external_id, s.name, s.email, s.phone, s.locale, s.timezone, e.trace, d.position
FROM mine JOIN deliveries d ON d.id = mine.delivery JOIN destinations t ON t.id = d.destination
LEFT JOIN events e ON e.shard = d.shard AND e.position = d.position AND e.created_at = d.event_at
LEFT JOIN subscribers s ON s.id = d.subscriber AND s.deleted_at IS NULL
"""
# Those that could not be claimed for one of the reasons above are let go; their lane decides anew. By their ids, for the same reason: no
# index is of num_nulls.
RELEASE = """
WITH released AS (
    UPDATE deliveries d SET lease_until = NULL FROM unnest($1::uuid[]) AS named (id) WHERE d.id = named.id AND num_nulls(lease_until) = 0
    AND NOT EXISTS (SELECT FROM attempts a WHERE a.delivery = d.id AND a.number = d.attempts + 1)
    RETURNING destination
)
UPDATE lanes SET due_at = now() WHERE destination IN (
    SELECT destination FROM lanes WHERE destination IN (SELECT destination FROM released) ORDER BY destination FOR UPDATE
)
"""
RENEW = """
UPDATE deliveries d SET lease_until = clock_timestamp() + $2::interval FROM unnest($1::uuid[]) AS named (id)
WHERE d.id = named.id AND num_nulls(lease_until) = 0
"""


# The delivery, and the number of the attempt: one worker may have two attempts of a delivery, the first of which it lost without knowing.
AttemptKey = tuple[str, int]


class Claimed(msgspec.Struct, frozen=True):
    """A delivery to make an attempt of. data: of its event; None when the log does not reach back so far.

    From `external_id` to `timezone` it is of the subscriber that it goes to, as of now; None where it goes to no person, or to one who is
    gone.   trace: `traceparent`, where it is sampled: of the event's commit, and for a connector of the attempt that it makes.
    position: of the event.
    """

    id: str
    number: int
    round: int
    project: int
    destination: int
    destination_as_of: datetime
    order_key: str | None
    type: str
    accepted_at: datetime
    notification: str | None
    subscriber: int | None
    data: str | None
    internal: str | None
    actor: str | None
    recipients: int | None
    external_id: str | None = None
    name: str | None = None
    email: str | None = None
    phone: str | None = None
    locale: str | None = None
    timezone: str | None = None
    trace: str | None = None
    position: int = 0

    @property
    def key(self) -> AttemptKey:
        return self.id, self.number


async def claim(connection: Connection, ids: Sequence[str], worker: str) -> list[Claimed]:
    """Those of the ids that this worker is to attempt now."""
    claimed = [Claimed(*row) for row in await connection.fetch(CLAIM, ids, worker)]
    if len(claimed) < len(ids):
        taken = {one.id for one in claimed}
        await connection.execute(RELEASE, [identity for identity in ids if identity not in taken])
    return claimed


async def renew(connection: Connection, ids: Sequence[str], lease: timedelta) -> None:
    """For so long from now."""
    await connection.execute(RENEW, ids, lease)
