"""Large audiences, written to (or withdrawn from) the inboxes in chunks, each a transaction.

The members are those as of the notification's position. The row lock of a chunk's transaction keeps workers apart, and the cursor
moves in it, so that a killed worker leaves nothing half-done and nothing is done twice.

That is also why a chunk need not wait for the disk (`synchronous_commit` off, see `workers/projections.py`): a crash that loses it loses
the cursor's move with it. Whatever saw its rows and is promised to somebody was committed after it, further on in the same write-ahead
log, and what waits for the disk there waits for the chunk too.
"""

import asyncpg
import msgspec

from tidings.access.principals import Tenant
from tidings.events.entry import NewEvent
from tidings.events.outbox import append
from tidings.notifications.withdraw import remove_collapsed, remove_items
from tidings.platform.metrics import INBOX_ROWS
from tidings.platform.postgres import Connection

# Some 25 ms of one backend. With 5,000, the p99 of publishes by others doubled instead of rising by three quarters; 1,000 take two thirds
# more CPU a row.
CHUNK = 3000

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
#
# Whoever was deleted has left every topic in the same transaction, so only members who left are asked whether they live: asking all was
# 2.5 of 7 µs a row. A scalar subquery, because EXISTS may be planned as a hash of all the people there are.
AUDIENCE = """
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
    WHERE s.source = 0 OR (added.position < $2 AND (removed.position IS NULL OR removed.position > $2)
        AND (s.removed_by IS NULL OR (SELECT p.deleted_at IS NULL FROM subscribers p WHERE p.id = s.subscriber)))
    UNION
    SELECT subscriber FROM unnest($8::bigint[]) AS subscriber
    WHERE subscriber > $3 AND (SELECT p.deleted_at IS NULL FROM subscribers p WHERE p.id = subscriber)
), chunk AS (
    SELECT subscriber FROM audience WHERE subscriber <= coalesce((SELECT up_to FROM bound), subscriber)
)
"""
CHUNK_OF = f"{AUDIENCE} SELECT (SELECT up_to FROM bound), (SELECT coalesce(array_agg(subscriber ORDER BY subscriber), '{{}}') FROM chunk)"

# The chunk is read and written in one statement, in the order of the primary key. $9 notification, $10 category, $11 collapse key,
# $12 expires at.
WRITTEN = """, written AS (
    INSERT INTO inbox (project, subscriber, id, category, collapse_key, expires_at, apart)
    SELECT $6, chunk.subscriber, $9::uuid, $10, $11, $12, coalesce($9::uuid <= greatest(s.seen_up_to, s.read_up_to), false)
    FROM chunk LEFT JOIN inbox_states s ON s.subscriber = chunk.subscriber
    ORDER BY chunk.subscriber {conflict} RETURNING subscriber
)"""
WRITE = f"{AUDIENCE} {WRITTEN.format(conflict='')} SELECT (SELECT up_to FROM bound), (SELECT count(*) FROM written)"
# Nothing is written twice, so nothing is there yet, and not asking for it saves a quarter. Should it ever be: this leaves it alone.
WRITE_MISSING = WRITE.replace(WRITTEN.format(conflict=""), WRITTEN.format(conflict="ON CONFLICT DO NOTHING"))

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
    up_to, changed = await (deliver if fanout.kind == "deliver" else remove)(connection, fanout)
    await connection.execute(ADVANCE, fanout.id, up_to, changed)
    if up_to is None:
        await finish(connection, tenant, fanout)
    return tenant


def chunk_arguments(fanout: Fanout) -> tuple[object, ...]:
    return (
        fanout.topics or [],
        fanout.position,
        fanout.cursor,
        CHUNK,
        fanout.everyone,
        fanout.project,
        fanout.newest_subscriber or 0,
        fanout.recipients or [],
    )


async def deliver(connection: Connection, fanout: Fanout) -> tuple[int | None, int]:
    """Up to whom this went, None when nobody is left; and how many items were written."""
    up_to, written = await write(connection, fanout)
    INBOX_ROWS.inc(written)
    if fanout.collapse_key is not None:
        _, subscribers = await connection.fetchrow(CHUNK_OF, *chunk_arguments(fanout))
        await remove_collapsed(connection, fanout.project, fanout.collapse_key, subscribers)
    return up_to, written


async def write(connection: Connection, fanout: Fanout) -> tuple[int | None, int]:
    arguments = (*chunk_arguments(fanout), fanout.notification, fanout.category, fanout.collapse_key, fanout.expires_at)
    try:
        async with connection.transaction():
            # Planned for this chunk: a plan for any audience and any bound took a quarter more.
            await connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")
            up_to, written = await connection.fetchrow(WRITE, *arguments)
    except asyncpg.UniqueViolationError:
        up_to, written = await connection.fetchrow(WRITE_MISSING, *arguments)
    return up_to, written


async def remove(connection: Connection, fanout: Fanout) -> tuple[int | None, int]:
    """Up to whom this went, None when nobody is left; and how many items were taken out."""
    up_to, subscribers = await connection.fetchrow(CHUNK_OF, *chunk_arguments(fanout))
    return up_to, await remove_items(connection, fanout.notification, subscribers) if subscribers else 0


async def finish(connection: Connection, tenant: Tenant, fanout: Fanout) -> None:
    """Tell the log; the audience too, whose counts are right from here on."""
    changed = await connection.fetchval(FINISH, fanout.id)
    type, what = ("fanned_out", "written") if fanout.kind == "deliver" else ("withdrawn", "removed")
    event = NewEvent(
        project=tenant.id,
        shard=tenant.shard,
        type=f"notification.{type}",
        notification=fanout.notification,
        recipients=fanout.recipients or None,
        topics=fanout.topics,
        everyone=fanout.everyone,
        data=msgspec.json.encode({"id": fanout.notification, what: changed}).decode(),
        actor="system:fanout",
    )
    await append(connection, [event])
