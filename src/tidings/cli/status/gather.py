"""What there is to know: asked of an API process, of PostgreSQL and of the disk. Whatever is away leaves its part empty."""

import shutil
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg

from tidings.cli.reach import call
from tidings.deliveries.ledger.clock import time_of
from tidings.deliveries.levels.gauges import DUE, LAG, LANES, LEASED, STATES, WAITING, seconds_since
from tidings.errors import Misconfigured, TidingsError
from tidings.platform.postgres import NOT_YET, POSTGRES_AWAY, Connection
from tidings.platform.server_figures import SERVER
from tidings.settings import Settings

HEALTH_TIMEOUT_S = 5.0
CONNECT_TIMEOUT_S = 5.0
# Of one question: a backlog of millions takes seconds to count, and the rest is worth more than to wait for it.
ASK_TIMEOUT_S = 10.0

SHARDS = """
SELECT s.shard, s.epoch, s.head, s.lease_until IS NOT NULL AND s.lease_until > clock_timestamp() AS led, s.holder, o.backlog,
       coalesce(extract(epoch FROM clock_timestamp() - o.oldest)::float8, 0) AS oldest_s
FROM shards s
CROSS JOIN LATERAL (
    SELECT count(*) AS backlog, min(created_at) AS oldest FROM outbox WHERE outbox.shard = s.shard AND outbox.id >= s.floor
) o
ORDER BY s.shard
"""
FANOUTS = "SELECT count(*) AS running, coalesce(sum(written), 0)::bigint AS written FROM fanouts WHERE done_at IS NULL"
# Half a minute old at most, and cheap whatever was sent.
ENDED = """
SELECT connector, sum(delivered)::bigint AS delivered, sum(dead)::bigint AS dead FROM service_tallies
WHERE destination = 0 AND at >= now() - interval '1 hour' GROUP BY 1
"""
HALTS = "SELECT connector, reason, halted_at FROM halts ORDER BY connector"
# Of the deployment, those that somebody set; connectors' are their halts.
FLAGS = """
SELECT key FROM (SELECT DISTINCT ON (key) key, definition FROM flag_changes WHERE project = 0 ORDER BY key, version DESC) AS newest
WHERE definition IS NOT NULL AND NOT starts_with(key, 'connectors.') ORDER BY key
"""
SERVER_FIGURES = ("bytes", "connections", "most_connections", "readers", "behind_bytes", "retained_bytes")
# The last of each kind that was made, checked and proven.
BACKUPS = """
SELECT made.task AS kind, extract(epoch FROM now() - max(made.ended_at))::float8 AS age_s,
    extract(epoch FROM now() - max(made.ended_at) FILTER (WHERE proven.id IS NOT NULL))::float8 AS proven_age_s
FROM backup_runs made LEFT JOIN backup_runs proven ON proven.backup = made.id AND proven.task = 'verify' AND proven.state = 'done'
WHERE made.task IN ('logical', 'physical') AND made.state = 'done' GROUP BY 1 ORDER BY 1
"""
BACKUPS_LAST = """
SELECT DISTINCT ON (task) task, state, failure, reason, step, result::text, extract(epoch FROM now() - ended_at)::float8 AS ago_s
FROM backup_runs WHERE state <> 'waiting' ORDER BY task, coalesce(ended_at, 'infinity') DESC
"""
SCHEDULE = "SELECT task, extract(epoch FROM every)::float8 AS every_s FROM backup_schedule ORDER BY task"


async def status_of(settings: Settings, url: str) -> dict[str, Any]:
    """Everything, as JSON would have it. Raises Misconfigured for a database that is none of Tidings'."""
    return {"url": url} | health_of(url) | await ledger_of(settings) | {"disk": disk_of(settings.state_dir)}


def health_of(url: str) -> dict[str, Any]:
    try:
        code, health = call(url, "GET", "/health/ready", timeout_s=HEALTH_TIMEOUT_S)
    except TidingsError as error:
        return {"status": "down", "checks": {"api": {"status": "down", "detail": str(error)}}}
    if not isinstance(health, dict) or "checks" not in health:
        return {"status": "down", "checks": {"api": {"status": "down", "detail": f"/health/ready answered {code}"}}}
    return health


async def ledger_of(settings: Settings) -> dict[str, Any]:
    """What PostgreSQL knows."""
    assert settings.database_url is not None
    try:
        connection = await asyncpg.connect(
            settings.database_url,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=ASK_TIMEOUT_S,
            server_settings={"role": "tidings_worker", "application_name": "tidings status"},
        )
    except NOT_YET:
        return {"shards": [], "fanouts": None}
    except asyncpg.PostgresError as error:
        raise Misconfigured(f"TIDINGS_DATABASE_URL cannot be used: {error}. Has `tidings migrate` run?") from error
    try:
        return {name: await asked(connection, question) for name, question in QUESTIONS.items()}
    finally:
        connection.terminate()


async def asked(connection: Connection, question: Callable[[Connection], Awaitable[Any]]) -> Any:
    """None where the schema is an older one's, the question takes too long, or PostgreSQL went away."""
    try:
        return await question(connection)
    except POSTGRES_AWAY:
        return None


async def shards(connection: Connection) -> list[dict[str, Any]]:
    planned = dict(await connection.fetch(LAG))
    return [dict(row) | {"unplanned": planned.get(row["shard"], 0)} for row in await connection.fetch(SHARDS)]


async def fanouts(connection: Connection) -> dict[str, Any]:
    return dict(await connection.fetchrow(FANOUTS))


async def deliveries(connection: Connection) -> dict[str, Any]:
    """By connector. *_s: seconds.   delivered, dead: of the last hour."""
    now = await time_of(connection)
    found: dict[str, dict[str, Any]] = {}
    for connector, *counts in await connection.fetch(LANES):
        found[connector] = {"breakers": dict(zip(STATES, counts, strict=True)), "due": 0, "overdue_s": 0.0, "waiting_s": 0.0}
    for connector, since in await connection.fetch(WAITING):
        found[connector]["waiting_s"] = seconds_since(since, now)
    for connector, count, since in await connection.fetch(DUE, now):
        found[connector] |= {"due": count, "overdue_s": seconds_since(since, now)}
    for connector, delivered, dead in await connection.fetch(ENDED):
        found.setdefault(connector, {})
        found[connector] |= {"delivered": delivered, "dead": dead}
    return {"leased": await connection.fetchval(LEASED), "connectors": found}


async def switches(connection: Connection) -> list[dict[str, Any]]:
    return [dict(row) | {"halted_at": text_of(row["halted_at"])} for row in await connection.fetch(HALTS)]


async def flags(connection: Connection) -> list[str]:
    return [row[0] for row in await connection.fetch(FLAGS)]


async def backups(connection: Connection) -> dict[str, Any]:
    return {
        "schedule": {row["task"]: row["every_s"] for row in await connection.fetch(SCHEDULE)},
        "made": {row["kind"]: {"age_s": row["age_s"], "proven_age_s": row["proven_age_s"]} for row in await connection.fetch(BACKUPS)},
        "last": {row["task"]: dict(row) for row in await connection.fetch(BACKUPS_LAST)},
    }


async def server(connection: Connection) -> dict[str, Any]:
    return dict(zip(SERVER_FIGURES, await connection.fetchrow(SERVER), strict=True))


def text_of(at: datetime) -> str:
    return at.isoformat(timespec="seconds")


def disk_of(state: Path) -> dict[str, Any] | None:
    """Of the state folder: with `tidings run` PostgreSQL's too."""
    if not state.is_dir():
        return None
    usage = shutil.disk_usage(state)
    return {"folder": str(state), "free_bytes": usage.free, "size_bytes": usage.total}


QUESTIONS: dict[str, Callable[[Connection], Awaitable[Any]]] = {
    "shards": shards,
    "fanouts": fanouts,
    "deliveries": deliveries,
    "backups": backups,
    "server": server,
    "switches": switches,
    "flags": flags,
}
