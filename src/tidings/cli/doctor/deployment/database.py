"""PostgreSQL: its version, whether it may be written to, roles, row-level security, migrations, the clock."""

import importlib
import pkgutil
import time
from datetime import UTC, datetime

import asyncpg

from tidings.cli.doctor.deployment.finding import Finding, unknown, well
from tidings.platform import migrations
from tidings.platform.migrate import OLDEST_POSTGRES
from tidings.platform.postgres import Connection

ROLES = ("tidings_api", "tidings_worker", "tidings_backup")
SKEW_S, SKEW_BAD_S = 1.0, 30.0

ROLE_ROWS = """
SELECT rolname, rolsuper, rolbypassrls, pg_has_role(session_user, oid, 'MEMBER') AS can_become FROM pg_roles WHERE rolname = ANY ($1)
"""
# Partitions take the policies of what they are parts of.
WITHOUT_RLS = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attname = 'project' AND NOT a.attisdropped
    AND NOT (c.relrowsecurity AND c.relforcerowsecurity) ORDER BY 1
"""
RAN = "SELECT name FROM migration WHERE app_name = 'tidings'"
LONG = """
SELECT count(*), max(extract(epoch FROM now() - xact_start))::float8 FROM pg_stat_activity
WHERE xact_start < now() - interval '10 minutes' AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


async def check_server(connection: Connection) -> list[Finding]:
    version = connection.get_server_version()
    found: list[Finding] = []
    if version.major < OLDEST_POSTGRES:
        found.append(
            Finding(
                "postgresql",
                "error",
                f"PostgreSQL is a {version.major}",
                f"Tidings needs {OLDEST_POSTGRES} or later.",
                ("pg_upgrade, or a new server and `tidings backup restore`",),
            )
        )
    if await connection.fetchval("SELECT pg_is_in_recovery()"):
        found.append(
            Finding(
                "postgresql",
                "error",
                "This PostgreSQL is a replica",
                "Nothing can be written, so nothing is accepted.",
                (
                    "if its primary lives: point TIDINGS_DATABASE_URL at that one",
                    "if it does not: SELECT pg_promote();  (what it had not sent is lost)",
                ),
                "docs/runbooks/postgres-lost.md",
            )
        )
    count, longest_s = await connection.fetchrow(LONG)
    if count:
        found.append(
            Finding(
                "transactions",
                "warning",
                f"A transaction has been open for {longest_s / 60:.0f} minutes",
                "Nothing that was deleted since is cleaned up: tables grow, the sequencer slows down.",
                ("SELECT pid, usename, application_name, state, query FROM pg_stat_activity ORDER BY xact_start LIMIT 5;",
                 "SELECT pg_terminate_backend(PID);"),
            )
        )  # fmt: skip
    return found or [well("postgresql", f"PostgreSQL {version.major} takes writes")]


async def check_roles(connection: Connection) -> list[Finding]:
    rows = {row["rolname"]: row for row in await connection.fetch(ROLE_ROWS, list(ROLES))}
    missing = [name for name in ROLES if name not in rows]
    if missing:
        return [
            Finding("roles", "error", f"Roles are missing: {', '.join(missing)}", "No process can connect as them.", ("tidings migrate",))
        ]
    barred = [name for name in ROLES[:2] if not rows[name]["can_become"]]
    if barred:
        return [
            Finding(
                "roles",
                "error",
                f"The login may not become {' and '.join(barred)}",
                "Processes connect with the login of TIDINGS_DATABASE_URL and take on these roles: none starts.",
                tuple(f"GRANT {name} TO LOGIN;" for name in barred),
            )
        ]
    beyond = [name for name in ROLES[:2] if rows[name]["rolsuper"] or rows[name]["rolbypassrls"]]
    if beyond:
        return [
            Finding(
                "roles",
                "error",
                f"{' and '.join(beyond)} can pass row-level security",
                "One project's request could read another's rows.",
                tuple(f"ALTER ROLE {name} NOSUPERUSER NOBYPASSRLS;" for name in beyond),
            )
        ]
    return [well("roles", "Roles are there and bounded")]


async def check_tenants(connection: Connection) -> list[Finding]:
    bare = [row[0] for row in await connection.fetch(WITHOUT_RLS)]
    if not bare:
        return [well("row-level security", "Row-level security holds on every table with a project")]
    return [
        Finding(
            "row-level security",
            "error",
            f"Row-level security is off: {', '.join(bare)}",
            "One project's request could read another's rows there.",
            tuple(f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;" for name in bare),
        )
    ]


async def check_migrations(connection: Connection) -> list[Finding]:
    try:
        ran = {row[0] for row in await connection.fetch(RAN)}
    except asyncpg.UndefinedTableError:
        ran = set()
    except asyncpg.InsufficientPrivilegeError:
        return [unknown("migrations", "The login may not read which migrations ran; the one that migrates may")]
    known = migrations_known()
    pending = [one for one in known if one not in ran]
    if pending:
        return [
            Finding(
                "migrations",
                "error",
                f"{len(pending)} migration{'s' if len(pending) > 1 else ''} to run",
                f"This version expects a newer schema; the first that is missing is {pending[0]}.",
                ("tidings migrate",),
                "docs/runbooks/bad-release.md",
            )
        ]
    if newer := sorted(ran - set(known)):
        return [
            Finding(
                "migrations",
                "warning",
                "The schema is of a newer version",
                f"{newer[-1]} ran, which this version does not know. It works with it for one release.",
                ("finish the release, or go on with the rollback; never take the schema back",),
                "docs/runbooks/bad-release.md",
            )
        ]
    return [well("migrations", "The schema is this version's")]


def migrations_known() -> list[str]:
    modules = (importlib.import_module(f"{migrations.__name__}.{module.name}") for module in pkgutil.iter_modules(migrations.__path__))
    return sorted(module.ID for module in modules if hasattr(module, "ID"))


async def check_clock(connection: Connection) -> list[Finding]:
    """Half way between asking and the answer, PostgreSQL's clock was read. The quickest of three tells most."""
    return [judged_clock("PostgreSQL", min([await measured(connection) for _ in range(3)], key=lambda one: one[1])[0])]


async def measured(connection: Connection) -> tuple[float, float]:
    """By how much this machine is ahead, and how long the answer took; seconds."""
    began, asked = time.perf_counter(), datetime.now(UTC)
    there: datetime = await connection.fetchval("SELECT clock_timestamp()")
    took = time.perf_counter() - began
    return (asked - there).total_seconds() + took / 2, took


def judged_clock(whose: str, ahead_s: float) -> Finding:
    if abs(ahead_s) < SKEW_S:
        return well("clock", f"This machine's clock agrees with {whose}'s")
    return Finding(
        "clock",
        "error" if abs(ahead_s) > SKEW_BAD_S else "warning",
        f"This machine is {abs(ahead_s):.1f} s {'ahead of' if ahead_s > 0 else 'behind'} {whose}",
        "Tokens end too early or too late, signatures of webhooks are refused after five minutes.",
        ("timedatectl set-ntp true", "chronyc makestep"),
    )
