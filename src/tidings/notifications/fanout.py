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
MEMBERS = """
SELECT subscriber FROM (
    SELECT unnest($8::bigint[]) AS subscriber
    UNION
    SELECT member.subscriber FROM unnest($1::bigint[]) AS topic (id) CROSS JOIN LATERAL (
        SELECT m.subscriber FROM topic_members m
        JOIN topic_changes added ON added.id = m.added_by
        LEFT JOIN topic_changes removed ON removed.id = m.removed_by
        WHERE m.topic = topic.id AND m.subscriber > $3 AND added.position < $2 AND (removed.position IS NULL OR removed.position > $2)
        ORDER BY m.subscriber LIMIT $4
    ) AS member
    UNION
    SELECT id FROM (
        SELECT id FROM subscribers WHERE $5 AND project = $6 AND id > $3 AND id <= $7 AND deleted_at IS NULL ORDER BY id LIMIT $4
    ) AS everybody
) AS audience
WHERE subscriber > $3 ORDER BY subscriber LIMIT $4
"""

WRITE = """
INSERT INTO inbox (project, subscriber, id, category, collapse_key, expires_at, apart)
SELECT $1, chunk.subscriber, $2::uuid, $3, $4, $5, coalesce($2::uuid <= greatest(s.seen_up_to, s.read_up_to), false)
FROM unnest($6::bigint[]) AS chunk (subscriber)
JOIN subscribers p ON p.id = chunk.subscriber AND p.deleted_at IS NULL
LEFT JOIN inbox_states s ON s.subscriber = chunk.subscriber
ON CONFLICT DO NOTHING
"""

ADVANCE = "UPDATE fanouts SET cursor = $2, written = written + $3, touched_at = clock_timestamp() WHERE id = $1"
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
    subscribers = await chunk_of(connection, fanout)
    if subscribers:
        await (deliver if fanout.kind == "deliver" else withdraw_chunk)(connection, fanout, subscribers)
    if len(subscribers) < CHUNK:
        await finish(connection, tenant, fanout)
    return tenant


async def chunk_of(connection: Connection, fanout: Fanout) -> list[int]:
    rows = await connection.fetch(
        MEMBERS,
        fanout.topics or [],
        fanout.position,
        fanout.cursor,
        CHUNK,
        fanout.everyone,
        fanout.project,
        fanout.newest_subscriber or 0,
        fanout.recipients or [],
    )
    return [row[0] for row in rows]


async def deliver(connection: Connection, fanout: Fanout, subscribers: list[int]) -> None:
    tag = await connection.execute(
        WRITE, fanout.project, fanout.notification, fanout.category, fanout.collapse_key, fanout.expires_at, subscribers
    )
    written = int(tag.rpartition(" ")[2])
    if fanout.collapse_key is not None:
        await remove_collapsed(connection, fanout.project, fanout.collapse_key, subscribers)
    await connection.execute(ADVANCE, fanout.id, subscribers[-1], written)
    INBOX_ROWS.inc(written)


async def withdraw_chunk(connection: Connection, fanout: Fanout, subscribers: list[int]) -> None:
    removed = await remove_items(connection, fanout.notification, subscribers)
    await connection.execute(ADVANCE, fanout.id, subscribers[-1], removed)


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
