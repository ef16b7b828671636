"""The doors of access/ and recipients/ called in this process, on a real PostgreSQL; what goes into the log is carried by hand."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import msgspec
import pytest
from litestar import Litestar
from litestar.datastructures import State
from litestar.di import Provide
from own_database import SHARDS, own_database
from running import Servers

from tidings.access import routes as access_routes
from tidings.access.cache import AccessCache
from tidings.access.guards import dependencies, refuse_credentials_in_url
from tidings.access.idempotency import once_key
from tidings.access.principals import KeyHolder, Tenant
from tidings.access.projects import create_project
from tidings.events.entry import LogEvent
from tidings.events.wake import Waker
from tidings.platform.postgres import Database
from tidings.platform.problems import HANDLERS
from tidings.platform.secrets import load_secret
from tidings.recipients import routes as recipient_routes
from tidings.settings import Settings


class Silent(Waker):
    """Nobody sequences here, so nobody has to be woken."""

    def __init__(self) -> None: ...

    def wake(self, shard: int) -> None: ...


class Api(msgspec.Struct):
    client: httpx.AsyncClient
    database: Database
    settings: Settings
    access: AccessCache
    tenant: Tenant
    secret: str

    async def __call__(self, method: str, path: str, body: Any = None, *, key: str | None = None, **headers: str) -> httpx.Response:
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        content = None if body is None else body if isinstance(body, bytes) else msgspec.json.encode(body)
        authorization = {"Authorization": f"Bearer {key or self.secret}", "Content-Type": "application/json"}
        return await self.client.request(method, path, content=content, headers=authorization | headers)

    async def ok(self, method: str, path: str, body: Any = None, *, key: str | None = None, **headers: str) -> Any:
        answer = await self(method, path, body, key=key, **headers)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    async def key(self, *scopes: str) -> str:
        made = await self.ok("POST", "/v1/keys", {"name": "test", "scopes": list(scopes)})
        return str(made["secret"])

    async def token(self, subscriber: str, ttl: int = 900) -> str:
        return str((await self.ok("POST", f"/v1/subscribers/{subscriber}/tokens", {"ttl": ttl}))["token"])

    @property
    def holder(self) -> KeyHolder:
        return KeyHolder(self.tenant, "key_test", frozenset("*"))

    async def outbox(self) -> list[LogEvent]:
        """What this project's changes told the log, in order; taken out, as by a sequencer, changes of membership stamped."""
        async with self.database.system.acquire() as connection, connection.transaction():
            rows = await connection.fetch("DELETE FROM outbox WHERE project = $1 RETURNING *, notification::text AS n", self.tenant.id)
            ordered = sorted(rows, key=lambda row: row["id"])
            for row in ordered:
                await connection.execute("UPDATE topic_changes SET position = $2 WHERE id = $1", row["topic_change"], row["id"])
        return [event_of(row) for row in ordered]

    async def follow(self, *others: AccessCache) -> list[LogEvent]:
        """Carry what happened to every process."""
        events = await self.outbox()
        for event in events:
            for access in (self.access, *others):
                access.apply(event)
        return events


def event_of(row: Any) -> LogEvent:
    now = datetime.now(UTC)
    return LogEvent(
        row["id"], row["project"], row["type"], row["n"], row["recipients"], row["topics"], row["everyone"], row["data"], row["internal"],
        row["actor"], row["created_at"], now,
    )  # fmt: skip


@asynccontextmanager
async def api_in_process(database: Database, state_dir: Path) -> AsyncIterator[Api]:
    settings = Settings(state_dir=state_dir)
    load_secret(settings)
    access = AccessCache(database, settings)
    tenant, secret = await create_project(database, "test", SHARDS)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app_of(database, access), raise_app_exceptions=False), base_url="http://x"
    ) as client:
        yield Api(client, database, settings, access, tenant, secret)
    await access.stop()


def app_of(database: Database, access: AccessCache) -> Litestar:
    held = {"database": database, "access": access, "waker": Silent()}
    return Litestar(
        route_handlers=[access_routes.router, recipient_routes.router],
        dependencies={name: given(value) for name, value in held.items()} | dependencies | {"once": Provide(once_key)},
        exception_handlers=HANDLERS,
        before_request=refuse_credentials_in_url,
        request_max_body_size=1024 * 1024,
        state=State({"tidings": SimpleNamespace(access=access)}),
    )


def given(value: Any) -> Provide:
    return Provide(lambda: value, sync_to_thread=False)


@pytest.fixture(scope="package")
async def database(servers: Servers) -> AsyncIterator[Database]:
    """Of the package's own."""
    async with own_database(servers) as (_, database):
        yield database


@pytest.fixture(scope="module")
def state_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture
async def api(database: Database, state_dir: Path) -> AsyncIterator[Api]:
    """A project of its own for each test."""
    async with api_in_process(database, state_dir) as api:
        yield api
