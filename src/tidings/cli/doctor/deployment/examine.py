"""Asks everything there is to ask; the worst first."""

from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

import asyncpg
import msgspec

from tidings.cli.demo import read_demo
from tidings.cli.doctor.deployment.caches import check_redis
from tidings.cli.doctor.deployment.database import check_clock, check_migrations, check_roles, check_server, check_tenants
from tidings.cli.doctor.deployment.finding import Finding, Severity, unknown
from tidings.cli.doctor.deployment.keys import check_encryption, check_secret
from tidings.cli.doctor.deployment.machine import check_certificates, check_descriptors, check_disk, check_settings, utc_now
from tidings.cli.doctor.deployment.running import MAKE_ROOM, findings_of
from tidings.cli.doctor.deployment.ways_out import check_names
from tidings.cli.status.gather import status_of
from tidings.cli.status.lines import lines_of
from tidings.errors import Misconfigured
from tidings.platform.postgres import CONNECTION_LOST, POSTGRES_AWAY, Connection
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
    try:
        found += await check_database(settings)
        reached = True
    except POSTGRES_AWAY as error:
        found.append(away(settings) if isinstance(error, CONNECTION_LOST) else not_let_in(settings, error))
        reached = False
    found += await check_running(settings)
    found.sort(key=lambda one: ORDER.index(one.severity))
    return Deployment(ok=all(one.severity in ("ok", "unknown") for one in found), reached=reached, findings=once(found))


async def check_database(settings: Settings) -> list[Finding]:
    """As the login itself, which sees the catalogue; then as a worker. Raises what connecting as the login does (POSTGRES_AWAY)."""
    as_login = (check_server, check_roles, check_tenants, check_migrations, check_clock)
    as_worker = (
        lambda connection: check_secret(settings, connection),
        lambda connection: check_encryption(settings, connection),
        check_names,
    )
    found = await answers(as_login, await connect(settings, None))
    with suppress(*POSTGRES_AWAY):  # check_roles tells what keeps a worker out
        found += await answers(as_worker, await connect(settings, "tidings_worker"))
    return found


async def connect(settings: Settings, role: str | None) -> Connection:
    assert settings.database_url is not None
    return await asyncpg.connect(
        settings.database_url,
        timeout=CONNECT_TIMEOUT_S,
        command_timeout=ASK_TIMEOUT_S,
        server_settings={"application_name": "tidings doctor"} | ({"role": role} if role else {}),
    )


async def answers(questions: Iterable[Question], connection: Connection) -> list[Finding]:
    try:
        return [finding for question in questions for finding in await answer(question, connection)]
    finally:
        connection.terminate()


async def answer(question: Question, connection: Connection) -> list[Finding]:
    """One that cannot be answered does not keep the others from being asked."""
    try:
        return await question(connection)
    except POSTGRES_AWAY as error:
        return [unknown("postgresql", f"One question was not answered: {type(error).__name__}")]


def away(settings: Settings) -> Finding:
    return Finding(
        "postgresql",
        "error",
        "PostgreSQL cannot be reached",
        f"{redacted_url(settings.database_url or '')}. Publishing answers 503; what was accepted is safe.",
        # Not pg_isready: where the URL names a replica too, that one's answer is enough for it.
        ('psql "$TIDINGS_DATABASE_URL" -c "SELECT 1"', "start it again, or promote its replica"),
        "docs/runbooks/postgres-lost.md",
    )


def not_let_in(settings: Settings, error: BaseException) -> Finding:
    """It is there and says no. To promote its replica would lose what that has not got."""
    match error:
        case asyncpg.InsufficientResourcesError():
            mend = MAKE_ROOM
        case asyncpg.CannotConnectNowError():
            mend = ("wait until it has started, or recovered", "its log says how far it is")
        case _:
            mend = ("check the login, the password and the database in TIDINGS_DATABASE_URL", "its log says why")
    return Finding(
        "postgresql",
        "error",
        "PostgreSQL does not let us in",
        f"{redacted_url(settings.database_url or '')}: {error}. Publishing answers 503 where it lets nobody in; what was accepted is safe.",
        mend,
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
