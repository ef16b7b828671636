"""Large audiences, written to (or withdrawn from) the inboxes in chunks, each a transaction.

The members are those as of the notification's position. The row lock of a chunk's transaction keeps workers apart, and the cursor
moves in it, so that a killed worker leaves nothing half-done and nothing is done twice.
"""

import msgspec

from tidings.access.principals import Tenant
from tidings.events.entry import NewEvent
from tidings.events.outbox import append
from tidings.notifications.withdraw import remove_collapsed, remove_items
from tidings.platform.metrics import INBOX_ROWS
from tidings.platform.postgres import Connection

CHUNK = 10_000

# The one left alone longest, so that a small audience does not wait for a large one. A withdrawal waits for its delivery to end, and
# both mean the members as of the delivery.
CLAIM = """
SELECT f.id, f.project, p.key, p.shard, f.notification::text, f.kind, f.recipients, f.topics, f.everyone, d.position, d.newest_subscriber,
    f.cursor, f.written, n.category, n.collapse_key, n.expires_at, n.withdrawn_at IS NOT NULL AS is_withdrawn
FROM fanouts f
JOIN fanouts d ON d.notification = f.notification AND d.kind = 'deliver'
JOIN notifications n ON n.id = f.notification
JOIN projects p ON p.id = f.project
WHERE f.done_at IS NULL AND f.position IS NOT NULL AND (f.kind = 'deliver' OR d.done_at IS NOT NULL)
ORDER BY f.touched_at LIMIT 1 FOR UPDATE OF f SKIP LOCKED
"""

# $1 topics, $2 position, $3 cursor, $4 how many, $5 everyone, $6 project, $7 newest subscriber, $8 recipients.
#
# A range of each index is read first and sieved afterwards: sieving first made the planner join all the remaining members for every chunk
# (10,000 rows/s at the beginning of a million instead of 100,000). The chunk ends where the first source that was cut short ends.
CHUNK_OF = """
WITH scanned AS MATERIALIZED (
    SELECT topic.id AS source, member.* FROM unnest($1::bigint[]) AS topic (id) CROSS JOIN LATERAL (
        SELECT subscriber, added_by, removed_by FROM topic_members
        WHERE topic = topic.id AND subscriber > $3 ORDER BY subscriber FETCH FIRST ($4) ROWS WITH TIES
    ) AS member
    UNION ALL
    SELECT 0, everybody.id, NULL, NULL FROM (
        SELECT id FROM subscribers WHERE $5 AND project = $6 AND id > $3 AND id <= $7 AND deleted_at IS NULL
        ORDER BY id FETCH FIRST ($4) ROWS ONLY
    ) AS everybody
), bound AS MATERIALIZED (
    SELECT min(last) AS up_to FROM (
        SELECT max(subscriber) AS last FROM scanned GROUP BY source HAVING count(*) >= $4
    ) AS cut_short
), audience AS (
    SELECT s.subscriber FROM scanned s
    LEFT JOIN topic_changes added ON added.id = s.added_by
    LEFT JOIN topic_changes removed ON removed.id = s.removed_by
    WHERE s.source = 0 OR (added.position < $2 AND (removed.position IS NULL OR removed.position > $2))
    UNION
    SELECT subscriber FROM unnest($8::bigint[]) AS subscriber WHERE subscriber > $3
)
SELECT (SELECT up_to FROM bound), coalesce(array_agg(subscriber ORDER BY subscriber), '{}')
FROM audience WHERE subscriber <= coalesce((SELECT up_to FROM bound), subscriber)
"""

WRITE = """
INSERT INTO inbox (project, subscriber, id, category, collapse_key, expires_at, apart)
SELECT $1, chunk.subscriber, $2::uuid, $3, $4, $5, coalesce($2::uuid <= greatest(s.seen_up_to, s.read_up_to), false)
FROM unnest($6::bigint[]) AS chunk (subscriber)
JOIN subscribers p ON p.id = chunk.subscriber AND p.deleted_at IS NULL
LEFT JOIN inbox_states s ON s.subscriber = chunk.subscriber
ON CONFLICT DO NOTHING
"""

ADVANCE = "UPDATE fanouts SET cursor = coalesce($2, cursor), written = written + $3, touched_at = clock_timestamp() WHERE id = $1"
FINISH = "UPDATE fanouts SET done_at = clock_timestamp() WHERE id = $1 RETURNING written"


class Fanout(msgspec.Struct, frozen=True):
    """A claimed row of fanouts, with what its notification says."""

    id: int
    project: int
    key: str
    shard: int
    notification: str
    kind: str
    recipients: list[int] | None
    topics: list[int] | None
    everyone: bool
    position: int
    newest_subscriber: int | None
    cursor: int
    written: int
    category: str | None
    collapse_key: str | None
    expires_at: object
    is_withdrawn: bool


async def advance_one(connection: Connection) -> Tenant | None:
    """Do the next chunk of the next fan-out, in the caller's transaction. Answers whose it was, or None when nothing is due."""
    row = await connection.fetchrow(CLAIM)
    if row is None:
        return None
    fanout = Fanout(*row)
    tenant = Tenant(fanout.project, fanout.key, fanout.shard)
    if fanout.kind == "deliver" and fanout.is_withdrawn:
        await connection.execute(FINISH, fanout.id)
        return tenant
    subscribers, up_to = await chunk_of(connection, fanout)
    changed = 0
    if subscribers:
        changed = await (deliver if fanout.kind == "deliver" else remove)(connection, fanout, subscribers)
    await connection.execute(ADVANCE, fanout.id, up_to, changed)
    if up_to is None:
        await finish(connection, tenant, fanout)
    return tenant


async def chunk_of(connection: Connection, fanout: Fanout) -> tuple[list[int], int | None]:
    """The next people, and up to whom this goes; None when nobody is left."""
    up_to, subscribers = await connection.fetchrow(
        CHUNK_OF,
        fanout.topics or [],
        fanout.position,
        fanout.cursor,
        CHUNK,
        fanout.everyone,
        fanout.project,
        fanout.newest_subscriber or 0,
        fanout.recipients or [],
    )
    return subscribers, up_to


async def deliver(connection: Connection, fanout: Fanout, subscribers: list[int]) -> int:
    """How many items were written."""
    tag = await connection.execute(
        WRITE, fanout.project, fanout.notification, fanout.category, fanout.collapse_key, fanout.expires_at, subscribers
    )
    written = int(tag.rpartition(" ")[2])
    if fanout.collapse_key is not None:
        await remove_collapsed(connection, fanout.project, fanout.collapse_key, subscribers)
    INBOX_ROWS.inc(written)
    return written


async def remove(connection: Connection, fanout: Fanout, subscribers: list[int]) -> int:
    """How many items were taken out."""
    return await remove_items(connection, fanout.notification, subscribers)


async def finish(connection: Connection, tenant: Tenant, fanout: Fanout) -> None:
    written = await connection.fetchval(FINISH, fanout.id)
    if fanout.kind != "deliver":
        return
    event = NewEvent(
        project=tenant.id,
        shard=tenant.shard,
        type="notification.fanned_out",
        notification=fanout.notification,
        data=msgspec.json.encode({"id": fanout.notification, "written": written}).decode(),
        actor="system:fanout",
    )
    await append(connection, [event])
