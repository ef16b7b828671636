"""Flags on a database of their own, over HTTP in this process, and as a process of Tidings knows them."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asyncpg
import httpx
import pytest
from in_process import Api, Silent, database, given, state_dir
from litestar import Litestar
from litestar.datastructures import State
from own_database import SHARDS
from running import until

from tidings.access import routes as access_routes
from tidings.access.cache import AccessCache
from tidings.access.guards import dependencies, refuse_credentials_in_url
from tidings.access.projects import create_project
from tidings.flags import routes as flag_routes
from tidings.flags.flags import POLL_S, Flags
from tidings.flags.store import DEPLOYMENT, set_flag
from tidings.flags.structs import Definition, FlagInfo
from tidings.platform.postgres import Database
from tidings.platform.problems import HANDLERS
from tidings.platform.secrets import load_secret
from tidings.settings import Settings

__all__ = ["database", "state_dir"]

# Between two looks: never, in a test.
HOUR_S = 3600.0


@asynccontextmanager
async def flags_over_http(database: Database, state_dir: Path) -> AsyncIterator[Api]:
    settings = Settings(state_dir=state_dir)
    load_secret(settings)
    access = AccessCache(database, settings)
    tenant, secret = await create_project(database, "flags", SHARDS)
    held = {"database": database, "access": access, "waker": Silent()}
    app: Any = Litestar(
        route_handlers=[access_routes.router, flag_routes.router],
        dependencies={name: given(value) for name, value in held.items()} | dependencies | {"once": given(None)},
        exception_handlers=HANDLERS,
        before_request=refuse_credentials_in_url,
        state=State({"tidings": SimpleNamespace(access=access)}),
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://x") as client:
        yield Api(client, database, settings, access, tenant, secret)
    await access.stop()


@pytest.fixture
async def api(database: Database, state_dir: Path) -> AsyncIterator[Api]:
    """A project of its own for each test."""
    async with flags_over_http(database, state_dir) as api:
        yield api


@pytest.fixture
async def other(database: Database, state_dir: Path) -> AsyncIterator[Api]:
    """Another project."""
    async with flags_over_http(database, state_dir) as api:
        yield api


async def set_(database: Database, key: str, definition: Definition | None = None, **more: int | None) -> FlagInfo:
    """Set a flag of the deployment."""
    async with database.system.acquire() as connection, connection.transaction():
        return await set_flag(connection, DEPLOYMENT, key, definition or Definition(), actor="operator:test", reason=None, **more)


@asynccontextmanager
async def knowing(pool: asyncpg.Pool, state_dir: Path | None = None, poll_s: float = POLL_S) -> AsyncIterator[Flags]:
    """The flags as a process knows them."""
    flags = Flags(pool, state_dir, poll_s)
    await flags.start()
    yield flags
    await flags.stop()


async def holds(condition: Callable[[], bool], what: str = "", within: float = 10) -> None:
    async def whether() -> bool:
        return condition()

    await until(whether, within, what)
