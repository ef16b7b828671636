"""Connections to PostgreSQL, and the tenant that row-level security sees on them.

A process holds two pools. `tenant` connects as `tidings_api` and sees one project at a time; `system` connects as `tidings_worker`,
for what belongs to no single project: following the log, looking up a credential before its project is known.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import asyncpg
from piccolo.engine.postgres import PostgresEngine, PostgresTransaction

# What a statement may raise while PostgreSQL is away, starts, stops or restarts. InternalClientError is no fault of asyncpg's here: it is
# what a connection raises that is used between the server's last words (FATAL) and the end of its socket.
CONNECTION_LOST = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
)
POSTGRES_AWAY = (*CONNECTION_LOST, asyncpg.PostgresError)
# What connecting may meet that passes by itself; a wrong password or a missing database does not.
NOT_YET = (*CONNECTION_LOST, asyncpg.CannotConnectNowError, asyncpg.InsufficientResourcesError)

# asyncpg brings no types. A connection of a pool, or one of its own.
Connection: TypeAlias = Any


class LazyEngine(PostgresEngine):
    """Piccolo's own asks the server for its version while it is imported, and warns when none is there."""

    async def check_version(self) -> None:
        return None


# Piccolo's tables find their engine when they are declared; its pool is opened by `open_database`.
ENGINE = LazyEngine(config={})


# Connections of a pool from its start.
BEGINS_WITH = 2


class Database:
    """The two pools of a process."""

    def __init__(self, tenant: asyncpg.Pool, system: asyncpg.Pool) -> None:
        self.tenant = tenant
        self.system = system

    async def close(self) -> None:
        # terminate, not close: a connection that hangs must not hold up the end of the process.
        self.tenant.terminate()
        self.system.terminate()
        ENGINE.pool = None


async def open_database(url: str, *, tenant_size: int, system_size: int = 4, name: str = "tidings") -> Database:
    """Open both pools. Raises OSError or asyncpg.PostgresError when PostgreSQL cannot be reached."""
    tenant = await open_pool(url, "tidings_api", tenant_size, name)
    system = await open_pool(url, "tidings_worker", system_size, name)
    ENGINE.pool = tenant
    return Database(tenant, system)


async def open_pool(url: str, role: str, size: int, name: str, **settings: str) -> asyncpg.Pool:
    """settings: of PostgreSQL, for these connections."""
    return await asyncpg.create_pool(
        url,
        min_size=min(BEGINS_WITH, size),
        max_size=size,
        reset=keep_session,
        command_timeout=30,
        timeout=5,
        max_inactive_connection_lifetime=300,
        # `role` in the start-up packet is the session's default, so that RESET ALL keeps it.
        server_settings={"role": role, "application_name": name, "idle_in_transaction_session_timeout": "60000", "jit": "off"} | settings,
    )


async def keep_session(connection: Any) -> None:
    """Replaces asyncpg's reset, a round trip at each release that would also clear the remembered tenant.

    Tidings holds no cursor, LISTEN or session lock on pooled connections, so there is nothing else to reset.
    """


# Which project row-level security sees on a connection outside transactions. Setting it only when it changes is worth
# 3,500 → 10,000 reads/s (20-row inbox page, 8 connections).
_remembered: WeakKeyDictionary[Any, int] = WeakKeyDictionary()


@asynccontextmanager
async def tenant_connection(database: Database, project: int) -> AsyncIterator[Connection]:
    """A connection for reading one project's rows, statement by statement, outside a transaction."""
    async with database.tenant.acquire() as connection:
        await remember_tenant(connection, project)
        try:
            yield connection
        except BaseException:
            forget_tenant(connection)
            raise


@asynccontextmanager
async def tenant_transaction(database: Database, project: int) -> AsyncIterator[Connection]:
    """A transaction on one project's rows. Piccolo's queries inside it run on its connection."""
    async with database.tenant.acquire() as connection:
        await remember_tenant(connection, project)
        try:
            async with connection.transaction():
                with piccolo_uses(connection):
                    yield connection
        except BaseException:
            # A rollback can revert the setting, and a cancelled statement leaves it unknown.
            forget_tenant(connection)
            raise


async def remember_tenant(connection: Any, project: int) -> None:
    raw = connection._con
    if _remembered.get(raw) != project:
        _remembered.pop(raw, None)
        await connection.execute("SELECT set_config('tidings.project', $1, false)", str(project))
        _remembered[raw] = project


def forget_tenant(connection: Any) -> None:
    if connection._con is not None:
        _remembered.pop(connection._con, None)


class piccolo_uses:
    """Let Piccolo's queries of this task run on the connection.

    Piccolo's own transaction() is not used: when its rollback fails, it leaves the dead transaction in the context, and later
    "transactions" of that task report success and never commit.
    """

    def __init__(self, connection: Any) -> None:
        self.transaction = PostgresTransaction(ENGINE)
        self.transaction.connection = connection

    def __enter__(self) -> None:
        self.token = ENGINE.current_transaction.set(self.transaction)

    def __exit__(self, *_: object) -> None:
        ENGINE.current_transaction.reset(self.token)
