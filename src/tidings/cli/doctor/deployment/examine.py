"""Asks everything there is to ask; the worst first."""

from collections.abc import Awaitable, Callable

import asyncpg
import msgspec

from tidings.cli.demo import read_demo
from tidings.cli.doctor.deployment.caches import check_redis
from tidings.cli.doctor.deployment.database import check_clock, check_migrations, check_roles, check_server, check_tenants
from tidings.cli.doctor.deployment.finding import Finding, Severity, unknown
from tidings.cli.doctor.deployment.keys import check_encryption, check_secret
from tidings.cli.doctor.deployment.machine import check_certificates, check_descriptors, check_disk, check_settings, utc_now
from tidings.cli.doctor.deployment.running import findings_of
from tidings.cli.doctor.deployment.ways_out import check_names
from tidings.cli.status.gather import status_of
from tidings.cli.status.lines import lines_of
from tidings.errors import Misconfigured
from tidings.platform.postgres import Connection
from tidings.settings import Settings, redacted_url

ORDER: tuple[Severity, ...] = ("error", "warning", "unknown", "ok")
CONNECT_TIMEOUT_S = 5.0
ASK_TIMEOUT_S = 15.0

Question = Callable[[Connection], Awaitable[list[Finding]]]


class Deployment(msgspec.Struct, frozen=True):
    """ok: no error and no warning.   reached: whether PostgreSQL was; without it little can be looked at.   findings: the worst first."""

    ok: bool
    reached: bool
    findings: list[Finding]


async def examine_deployment(settings: Settings) -> Deployment:
    found = [
        *check_settings(settings),
        *check_disk(settings.state_dir),
        *check_descriptors(),
        *check_certificates(settings, utc_now()),
        *await check_redis(settings),
    ]
    in_database = await check_database(settings)
    found += in_database or [away(settings)]
    found += await check_running(settings)
    found.sort(key=lambda one: ORDER.index(one.severity))
    return Deployment(ok=all(one.severity in ("ok", "unknown") for one in found), reached=bool(in_database), findings=once(found))


async def check_database(settings: Settings) -> list[Finding]:
    """As the login itself, which sees the catalogue; then as a worker. Empty when PostgreSQL was not reached."""
    as_login: tuple[Question, ...] = (check_server, check_roles, check_tenants, check_migrations, check_clock)
    as_worker: tuple[Question, ...] = (
        lambda connection: check_secret(settings, connection),
        lambda connection: check_encryption(settings, connection),
        check_names,
    )
    found: list[Finding] = []
    for questions, role in ((as_login, None), (as_worker, "tidings_worker")):
        try:
            connection = await connect(settings, role)
        except (OSError, TimeoutError, asyncpg.PostgresError):
            return found
        try:
            for question in questions:
                found += await answer(question, connection)
        finally:
            connection.terminate()
    return found


async def connect(settings: Settings, role: str | None) -> Connection:
    assert settings.database_url is not None
    return await asyncpg.connect(
        settings.database_url,
        timeout=CONNECT_TIMEOUT_S,
        command_timeout=ASK_TIMEOUT_S,
        server_settings={"application_name": "tidings doctor"} | ({"role": role} if role else {}),
    )


async def answer(question: Question, connection: Connection) -> list[Finding]:
    """One that cannot be answered does not keep the others from being asked."""
    try:
        return await question(connection)
    except (asyncpg.PostgresError, TimeoutError) as error:
        return [unknown("postgresql", f"One question was not answered: {type(error).__name__}")]


def away(settings: Settings) -> Finding:
    return Finding(
        "postgresql",
        "error",
        "PostgreSQL cannot be reached",
        f"{redacted_url(settings.database_url or '')}. Publishing answers 503; what was accepted is safe.",
        ('pg_isready -d "$TIDINGS_DATABASE_URL"', "start it again, or promote its replica"),
        "docs/runbooks/postgres-lost.md",
    )


async def check_running(settings: Settings) -> list[Finding]:
    demo = read_demo(settings)
    try:
        return findings_of(lines_of(await status_of(settings, demo.base_url if demo else settings.base_url)))
    except Misconfigured:
        return []  # PostgreSQL is there and lets nobody in: that is told already


def once(found: list[Finding]) -> list[Finding]:
    """A lost server is seen twice: by us (`redis`), and by the API process asked (`Redis`, a line of the status): ours says more."""
    lost = {one.check for one in found if one.severity == "error"}
    return [one for one in found if one.check.lower() == one.check or one.check.lower() not in lost]
