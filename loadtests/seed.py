"""Years of use in a minute: people, topics and stored notifications written by SQL, in the shapes that the product writes, and a
write-ahead log as after an hour.

For a ground whose processes have not been started: the log grows by hand here, and nobody follows it. Ids are UUIDv7 of a time in the
past, so that what is published later comes after them.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from loadtests.ground import Running

STEP = 100_000
# 1 GiB, which is what PostgreSQL is told to keep.
SEGMENTS = 64

PEOPLE = """
INSERT INTO subscribers (project, external_id, created_by)
SELECT $1, $2 || number, 'key:seed' FROM generate_series(1, $3::int) AS number ORDER BY number RETURNING id
"""
# As a thousand members a call leave it: one change of membership for each thousand, long stamped with its position.
TOPIC = "INSERT INTO topics (project, key, members, created_by) VALUES ($1, $2, $3, 'key:seed') RETURNING id"
CHANGES = "INSERT INTO topic_changes (project, position) SELECT $1, 0 FROM generate_series(1, $2::int) RETURNING id"
MEMBERS = """
INSERT INTO topic_members (topic, subscriber, project, added_by)
SELECT $2, who.subscriber, $1, ($4::bigint[])[1 + (who.place - 1) / 1000]
FROM unnest($3::bigint[]) WITH ORDINALITY AS who (subscriber, place) ORDER BY who.subscriber
"""
# One a millisecond, ending an hour ago; each to one person, in turn. $1 project, $2 shard, $3 the people, $4 and $5 the first and the
# last of this step, counted down to the newest.
NOTIFICATIONS = """
WITH named AS MATERIALIZED (
    SELECT number, at, ($3::bigint[])[1 + number % cardinality($3)] AS subscriber,
        CASE number % 4 WHEN 0 THEN 'exports' WHEN 1 THEN 'builds' WHEN 2 THEN 'billing' END AS category,
        (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(md5(number::text), 1, 3)
            || '8' || substr(md5(number::text), 4, 15))::uuid AS id
    FROM generate_series($4::bigint, $5::bigint, -1) AS number,
        LATERAL (SELECT now() - interval '1 hour' - number * interval '1 millisecond' AS at) AS clock
), written AS (
    INSERT INTO notifications (project, id, title, body, category, channels, audience, recipients, recipient_ids, created_by, created_at)
    SELECT $1, id, 'Your export is ready', '1,204 rows, 3 MB.', category, ARRAY['in_app'], '["somebody"]', 1, ARRAY[subscriber],
        'key:seed', at
    FROM named
), delivered AS (
    INSERT INTO inbox (project, subscriber, id, category) SELECT $1, subscriber, id, category FROM named
), grown AS (
    UPDATE shards SET head = head + $4::bigint - $5::bigint + 1 WHERE shard = $2 RETURNING head
)
INSERT INTO events (shard, position, project, type, notification, recipients, everyone, data, internal, actor, accepted_at, created_at)
SELECT $2, (SELECT head FROM grown) - number + $5::bigint, $1, 'notification.created', id, ARRAY[subscriber], false,
    json_build_object('id', id, 'title', 'Your export is ready', 'body', '1,204 rows, 3 MB.', 'url', NULL, 'data', NULL,
        'category', category, 'priority', 'normal', 'collapse_key', NULL, 'expires_at', NULL, 'created_at', at),
    '{"recipients":1,"in_app":true,"transient":false,"channels":["in_app"]}', 'key:seed', at, at
FROM named
"""


@asynccontextmanager
async def seeding(running: Running) -> AsyncIterator[Any]:
    """A connection without a limit of time, that leaves its tables vacuumed and analysed, as a database of that age would be."""
    connection = await asyncpg.connect(running.postgres.program.url, server_settings={"synchronous_commit": "off"})
    try:
        # The owner is bound by row-level security too, and may vacuum.
        await connection.execute("SET role tidings_worker")
        yield connection
        await connection.execute("RESET role")
        await connection.execute("VACUUM ANALYZE")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


async def season(running: Running) -> None:
    """Give PostgreSQL segments of its write-ahead log to use again, as one has that ran for an hour.

    A new cluster makes a new one whenever 16 MiB are written, and every commit waits for it, 15 to 100 ms: in a run of four seconds that
    was the 99th percentile.
    """
    connection = await asyncpg.connect(running.postgres.program.url)
    try:
        for _ in range(SEGMENTS):
            await connection.execute("SELECT pg_logical_emit_message(false, 'load test', 'x')")
            await connection.execute("SELECT pg_switch_wal()")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


async def people(connection: Any, running: Running, how_many: int, prefix: str = "person-") -> list[int]:
    """Their inner ids. They are called prefix and a number, from 1 on."""
    return [row[0] for row in await connection.fetch(PEOPLE, running.tenant.id, prefix, how_many)]


async def topic(connection: Any, running: Running, key: str, members: Sequence[int]) -> None:
    project = running.tenant.id
    inner = await connection.fetchval(TOPIC, project, key, len(members))
    changes = [row[0] for row in await connection.fetch(CHANGES, project, -(-len(members) // 1000))]
    await connection.execute(MEMBERS, project, inner, members, changes)


async def notifications(connection: Any, running: Running, to: Sequence[int], how_many: int, newer: int = 0) -> None:
    """Stored notifications, each with its inbox item and its event, to these people in turn. newer: how many were made before this."""
    tenant = running.tenant
    oldest = newer + how_many - 1
    for first in range(oldest, newer - 1, -STEP):
        await connection.execute(NOTIFICATIONS, tenant.id, tenant.shard, to, first, max(newer, first - STEP + 1))
