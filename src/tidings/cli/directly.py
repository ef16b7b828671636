"""Commands that work on the database itself, for whoever has no API key yet."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg

from tidings.access.principals import KeyHolder, Tenant
from tidings.access.projects import find_project, list_projects
from tidings.cli.configuration import settings_with_servers
from tidings.cli.demo import read_demo
from tidings.errors import Misconfigured, TidingsError, Unavailable
from tidings.platform.postgres import Database, open_database
from tidings.platform.secrets import load_secret
from tidings.settings import Settings, redacted_url

T = TypeVar("T")


class Operator(KeyHolder, frozen=True):
    """Whoever has the deployment's secret and the login of its database may do everything."""

    @property
    def actor(self) -> str:
        return "system:cli"


def operator(tenant: Tenant) -> Operator:
    return Operator(tenant, "cli", frozenset({"*"}))


def operator_name() -> str:
    """Who works here, for histories: the login, also behind sudo, as far as the environment says."""
    name = next((os.environ[variable] for variable in ("SUDO_USER", "LOGNAME", "USER") if os.environ.get(variable)), "cli")
    return f"operator:{name[:100]}"


def on_database(work: Callable[[Settings, Database], Awaitable[T]]) -> T:
    """Run with a connected database. Raises TidingsError when there is none, or not one of Tidings'."""
    return asyncio.run(connected(work))


async def connected(work: Callable[[Settings, Database], Awaitable[T]]) -> T:
    settings = settings_with_servers()
    assert settings.database_url is not None
    load_secret(settings)
    try:
        database = await open_database(settings.database_url, tenant_size=1, system_size=1, name="tidings cli")
    except (OSError, TimeoutError, asyncpg.CannotConnectNowError) as error:
        raise Unavailable(f"PostgreSQL at {redacted_url(settings.database_url)} cannot be reached: {error}. Does Tidings run?") from error
    except asyncpg.PostgresError as error:
        raise Misconfigured(f"TIDINGS_DATABASE_URL cannot be used: {error}. Has `tidings migrate` run?") from error
    try:
        return await work(settings, database)
    finally:
        await database.close()


async def chosen_project(settings: Settings, database: Database, key: str | None) -> Tenant:
    """The project named, else the only one there is, else that of demo.json."""
    if key is not None:
        tenant = await find_project(database, key)
        if tenant is None:
            raise TidingsError(f"There is no project {key!r}; `tidings projects list` shows those there are.")
        return tenant
    projects = await list_projects(database)
    if len(projects) == 1:
        return projects[0].tenant
    demo = read_demo(settings)
    for project in projects:
        if demo is not None and project.tenant.key == demo.project:
            return project.tenant
    raise TidingsError("Say which project: --project PRJ; `tidings projects list` shows them, `tidings projects create NAME` makes one.")
