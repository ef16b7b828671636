"""What the tables know of backups, as gauges: every backups' worker shows the same, and a restart forgets nothing."""

from tidings.backups.tasks import MAKING
from tidings.platform.metrics import (
    BACKUP_BYTES,
    BACKUP_CHECKED,
    BACKUP_IS_GOOD,
    BACKUP_MADE,
    BACKUP_TOOK,
    BACKUP_UNDER_WAY,
    BACKUP_VERIFIED,
    DRILL_ENDED,
    DRILL_RPO,
    DRILL_RTO,
)
from tidings.platform.postgres import Connection

MADE = """
SELECT DISTINCT ON (task) task AS kind, extract(epoch FROM ended_at)::float8 AS ended, (result->>'bytes')::float8 AS bytes,
    extract(epoch FROM ended_at - began_at)::float8 AS took
FROM backup_runs WHERE task = ANY($1) AND state = 'done' ORDER BY task, ended_at DESC"""
CHECKED = """
SELECT DISTINCT ON (made.task) made.task AS kind, extract(epoch FROM checked.ended_at)::float8 AS ended, checked.state = 'done' AS is_good
FROM backup_runs checked JOIN backup_runs made ON made.id = checked.backup
WHERE checked.task = 'verify' AND checked.state IN ('done', 'failed') ORDER BY made.task, checked.ended_at DESC"""
VERIFIED = """
SELECT made.task AS kind, max(extract(epoch FROM made.ended_at))::float8 AS made
FROM backup_runs checked JOIN backup_runs made ON made.id = checked.backup
WHERE checked.task = 'verify' AND checked.state = 'done' GROUP BY made.task"""
DRILLED = """
SELECT DISTINCT ON (result->>'drill') result->>'drill' AS drill, extract(epoch FROM ended_at)::float8 AS ended,
    (result->>'rpo_s')::float8 AS rpo_s, (result->>'rto_s')::float8 AS rto_s
FROM backup_runs WHERE task = 'drill' AND state = 'done' ORDER BY result->>'drill', ended_at DESC"""
UNDER_WAY = "SELECT task FROM backup_runs WHERE state = 'running'"


async def observe_backups(connection: Connection) -> None:
    for row in await connection.fetch(MADE, list(MAKING)):
        BACKUP_MADE.labels(row["kind"]).set(row["ended"])
        BACKUP_BYTES.labels(row["kind"]).set(row["bytes"] or 0)
        BACKUP_TOOK.labels(row["kind"]).set(row["took"])
    for row in await connection.fetch(CHECKED):
        BACKUP_CHECKED.labels(row["kind"]).set(row["ended"])
        BACKUP_IS_GOOD.labels(row["kind"]).set(row["is_good"])
    for row in await connection.fetch(VERIFIED):
        BACKUP_VERIFIED.labels(row["kind"]).set(row["made"])
    for row in await connection.fetch(DRILLED):
        DRILL_ENDED.labels(row["drill"]).set(row["ended"])
        DRILL_RPO.labels(row["drill"]).set(row["rpo_s"])
        DRILL_RTO.labels(row["drill"]).set(row["rto_s"])
    under_way = await connection.fetchval(UNDER_WAY)
    for kind in MAKING:
        BACKUP_UNDER_WAY.labels(kind).set(kind == under_way)
