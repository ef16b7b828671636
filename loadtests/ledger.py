"""A month of deliveries written by SQL, in the shapes that planner and workers leave, and fresh ones that are due.

For a ground on which no worker delivers: the destinations have no secrets.
"""

import asyncio
import math
from datetime import UTC, datetime, time, timedelta
from typing import Any

import asyncpg
import msgspec

from loadtests.ground import Running
from tidings.access.projects import create_project
from tidings.deliveries.ledger.listing import first_id

PROJECTS = 20
DESTINATIONS = 1_000
# As many weeks as `TIDINGS_RETENTION_DAYS` leaves.
WEEKS = 4
STEP = 250_000
AT_ONCE = 2
QUICKLY = {"synchronous_commit": "off", "maintenance_work_mem": "256MB", "max_parallel_maintenance_workers": "0", "jit": "off"}

ENDPOINTS = """
WITH new AS (
    INSERT INTO destinations (project, key, connector, channel, config, secrets, events, at_once, created_by)
    SELECT $1::int, 'ep_' || md5($1::int || ':' || number), 'webhook', 'webhook', '{"url":"https://hooks.example.com/tidings"}', '', '{*}',
        100, 'key:seed'
    FROM generate_series(1, $2::int) AS number RETURNING id
)
INSERT INTO lanes (destination, project, connector) SELECT id, $1::int, 'webhook' FROM new RETURNING destination
"""
# A partition that is filled before it has its indexes takes a fifth of the time. Otherwise as `tidings_ensure_id_partitions` makes them.
BEGIN_WEEK = "DROP TABLE IF EXISTS {week}; CREATE TABLE {week} (LIKE {table} INCLUDING DEFAULTS INCLUDING STORAGE)"
END_WEEK = """
ALTER TABLE {table} ATTACH PARTITION {week} FOR VALUES FROM ('{first}') TO ('{last}');
ALTER TABLE {week} ENABLE ROW LEVEL SECURITY;
ALTER TABLE {week} FORCE ROW LEVEL SECURITY
"""
# UUIDv7 of a time, the same for the same number.
ID = """(lpad(to_hex((extract(epoch FROM {at}) * 1000)::bigint), 12, '0') || '7' || substr(md5({number}::text), 1, 3)
    || '8' || substr(md5({number}::text), 4, 15))::uuid"""
# Two deliveries a notification, one event each, evenly over the time; a tenth of all goes to the first destination. One in a hundred is
# dead, half as many are held, and of the last three days one in ten waits for its next attempt.
# $1 and $2 the first and the last of this step, counted from the newest; $3 all of them; $4 and $5 the destinations and their projects;
# $6 when the newest was accepted, $7 seconds from one to the next.
DELIVERED = f"""
WITH named AS MATERIALIZED (
    SELECT number, at, {ID.format(at="at", number="number")} AS id, {ID.format(at="at", number="(number / 2)")} AS notification,
        CASE WHEN number % 10 = 3 THEN 1 ELSE 1 + number * 7919 % cardinality($4::bigint[]) END AS place,
        CASE WHEN number % 200 IN (7, 18) THEN 'dead' WHEN number % 200 = 29 THEN 'held'
            WHEN number % 10 = 4 AND at > $6 - interval '3 days' THEN 'pending' ELSE 'delivered' END AS state
    FROM generate_series($2::bigint, $1::bigint, -1) AS number,
        LATERAL (SELECT $6::timestamptz - (number / 2) * $7::float8 * interval '1 second' AS at) AS clock
), written AS (
    INSERT INTO {{deliveries}} (id, project, destination, notification, type, shard, position, event_at, accepted_at, state, attempts,
        next_attempt_at, reason, finished_at)
    SELECT id, ($5::int[])[place], ($4::bigint[])[place], notification, 'notification.created', 0, $3 - number, at, at, state, 1,
        CASE state WHEN 'pending' THEN $6 + interval '1 day' + number % 86400 * interval '1 second' ELSE at END,
        CASE state WHEN 'delivered' THEN 'http_200' WHEN 'held' THEN 'disabled' ELSE 'http_503' END,
        CASE WHEN state IN ('delivered', 'dead') THEN at + interval '150 milliseconds' END
    FROM named
)
INSERT INTO {{attempts}} (delivery, number, project, destination, worker, started_at, ended_at, outcome, reason, detail, status, dns_ms,
    connect_ms, tls_ms, first_byte_ms, total_ms, response)
SELECT id, 1, ($5::int[])[place], ($4::bigint[])[place], 'worker-1:4711', at + interval '50 milliseconds', at + interval '150 milliseconds',
    CASE state WHEN 'delivered' THEN state WHEN 'dead' THEN 'refused' ELSE 'retry' END,
    CASE state WHEN 'delivered' THEN 'http_200' ELSE 'http_503' END, '', CASE state WHEN 'delivered' THEN 200 ELSE 503 END,
    0.4, 1.2, 9.7, 61.5, 62.1, 'ok'
FROM named
"""
# Of events of now, as the planner has just written them. $1 how many, $2 and $3 the destinations and their projects, $4 where they begin
# among these.
DUE = f"""
WITH named AS MATERIALIZED (
    SELECT number, at, {ID.format(at="at", number="(at::text || number)")} AS id, 1 + ($4 + number) % cardinality($2::bigint[]) AS place,
        {ID.format(at="at", number="(at::text || number / 2)")} AS notification
    FROM generate_series(1, $1::int) AS number,
        LATERAL (SELECT clock_timestamp() - interval '100 milliseconds' + number * interval '1 microsecond' AS at) AS clock
), grown AS (
    UPDATE shards SET head = head + $1 WHERE shard = 0 RETURNING head
), told AS (
    INSERT INTO events (shard, position, project, type, notification, recipients, everyone, data, internal, actor, accepted_at, created_at)
    SELECT 0, (SELECT head FROM grown) - $1 + number, ($3::int[])[place], 'notification.created', notification, '{{1}}', false,
        json_build_object('id', notification, 'title', 'Your export is ready', 'body', repeat('b', 160), 'url', '/exports/' || number,
            'data', NULL, 'category', 'exports', 'priority', 'normal', 'collapse_key', NULL, 'expires_at', NULL, 'created_at', at),
        '{{"recipients":1,"in_app":true,"transient":false,"channels":["in_app"]}}', 'key:seed', at, at
    FROM named
), written AS (
    INSERT INTO deliveries (id, project, destination, notification, type, shard, position, event_at, accepted_at, next_attempt_at)
    SELECT id, ($3::int[])[place], ($2::bigint[])[place], notification, 'notification.created', 0,
        (SELECT head FROM grown) - $1 + number, at, at, at
    FROM named
)
UPDATE lanes SET due_at = now() WHERE destination IN (SELECT DISTINCT ($2::bigint[])[place] FROM named)
"""


class Week(msgspec.Struct, frozen=True):
    begins: datetime

    @property
    def ends(self) -> datetime:
        return self.begins + timedelta(weeks=1)


class Ground(msgspec.Struct, frozen=True):
    """destinations: the first ones are of the ground's own project.   projects: of each of them."""

    destinations: list[int]
    projects: list[int]


async def endpoints(connection: Any, running: Running, how_many: int = DESTINATIONS) -> Ground:
    """So many in all, in as many projects as there are to be, the ground's own among them."""
    others = [await create_project(running.database, f"Load test {number}", running.settings.shards) for number in range(2, PROJECTS + 1)]
    ground = Ground([], [])
    for tenant in (running.tenant, *(tenant for tenant, _ in others)):
        rows = await connection.fetch(ENDPOINTS, tenant.id, how_many // PROJECTS)
        ground.destinations.extend(row[0] for row in rows)
        ground.projects.extend([tenant.id] * len(rows))
    return ground


async def endpoints_kept(running: Running) -> Ground:
    """Those of a ledger that was kept."""
    rows = await running.database.system.fetch("SELECT id, project FROM destinations ORDER BY project, id")
    return Ground([row["id"] for row in rows], [row["project"] for row in rows])


async def delivered(running: Running, ground: Ground, how_many: int) -> None:
    """What has been delivered or failed in these weeks, and the partitions for it. For a ledger that is empty."""
    newest = datetime.now(UTC) - timedelta(minutes=1)
    monday = datetime.combine(newest.date() - timedelta(days=newest.weekday()), time(), UTC)
    weeks = [Week(monday - timedelta(weeks=back)) for back in range(WEEKS + 1)]

    async def fill_some() -> None:
        connection = await asyncpg.connect(running.postgres.program.url, server_settings=QUICKLY)
        try:
            while weeks:
                await fill(connection, ground, weeks.pop(), newest, how_many)
        finally:
            await connection.close()

    await asyncio.gather(*(fill_some() for _ in range(AT_ONCE)))


async def fill(connection: Any, ground: Ground, week: Week, newest: datetime, how_many: int) -> None:
    """As the owner of the tables, who alone may make partitions."""
    between_s = timedelta(days=WEEKS * 7 - 1).total_seconds() / (how_many // 2)
    # Pairs, counted from the newest: those that are not older than the week, and not newer.
    first = max(0, math.floor((newest - week.ends).total_seconds() / between_s) + 1)
    last = min(how_many // 2, math.floor((newest - week.begins).total_seconds() / between_s) + 1)
    tables = {table: f"{table}_{week.begins:%Y%m%d}" for table in ("deliveries", "attempts")}
    for table, name in tables.items():
        await connection.execute(BEGIN_WEEK.format(week=name, table=table))
    sql = DELIVERED.format(**tables)
    for start in range(2 * first, 2 * last, STEP):
        end = min(start + STEP, 2 * last) - 1
        await connection.execute(sql, start, end, how_many, ground.destinations, ground.projects, newest, between_s)
    for table, name in tables.items():
        ids = first_id(week.begins), first_id(week.ends)
        await connection.execute(END_WEEK.format(week=name, table=table, first=ids[0], last=ids[1]))


async def due(connection: Any, ground: Ground, how_many: int, begin_at: int = 0) -> None:
    """So many are due, to the destinations in turn."""
    await connection.execute(DUE, how_many, ground.destinations, ground.projects, begin_at, timeout=600)
