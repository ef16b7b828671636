"""What a flag of Tidings' own guards can be switched off while it runs, and is then done the general way."""

from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx
import pytest
from outbound.ground import OK, answering, serving
from own_database import SHARDS, own_database, sequencing
from running import SECRET, Servers

from flags.conftest import HOUR_S, holds, set_
from tidings.access.projects import create_project
from tidings.app import Process, create_front, open_process
from tidings.flags.halts import OFF, ON
from tidings.flags.known import KEPT_CONNECTIONS, SHORT_PUBLISH, SHORT_STREAM, SHORT_WRITE, Known
from tidings.settings import Settings
from tidings.stream.shortcut import Shortcut


@pytest.fixture(scope="module")
async def process(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Process]:
    """What an API process holds. By itself it looks for flags in an hour: what it knows of them, the log told."""
    async with own_database(servers) as (url, _), sequencing(servers, url):
        state: Path = tmp_path_factory.mktemp("state")
        settings = Settings(
            database_url=url, redis_url=servers.redis_url, state_dir=state, secret_key=SECRET, outbound_allow=(ip_network("127.0.0.0/8"),)
        )
        process = await open_process(settings)
        process.flags.poll_s = HOUR_S
        await process.start()
        yield process
        await process.stop()


async def test_a_change_is_known_when_its_event_comes_by(process: Process) -> None:
    await set_(process.database, "comes.by", OFF)
    await holds(lambda: "comes.by" in process.flags.flags, "the flag is known")


async def switch(process: Process, known: Known, on: bool) -> None:
    await set_(process.database, known.key, ON if on else OFF)
    await holds(lambda: process.flags.is_on(known, "prj_any") == on, known.key)


class Recorder:
    """An ASGI application in front of another. paths: what came by."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.paths: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.paths.append(scope["path"])
        await self.app(scope, receive, send)


async def test_publishes_go_through_the_framework_and_by_the_general_transaction(process: Process) -> None:
    tenant, secret = await create_project(process.database, "short", SHARDS)
    front = create_front(process)
    framework = front.app.app = Recorder(front.app.app)

    def ways() -> set[str]:
        return {way for project, way in process.door.gathering if project == tenant.id}

    async with httpx.AsyncClient(transport=httpx.ASGITransport(front), base_url="http://x") as client:

        async def publish() -> None:
            body = {"to": ["alice"], "title": "Hello"}
            answer = await client.post("/v1/notifications", json=body, headers={"Authorization": f"Bearer {secret}"})
            assert answer.status_code == 202, answer.text

        await publish()
        assert (framework.paths, ways()) == ([], {"lone"})
        await switch(process, SHORT_PUBLISH, on=False)
        await publish()
        assert (framework.paths, ways()) == (["/v1/notifications"], {"lone"})
        await switch(process, SHORT_WRITE, on=False)
        await publish()
        assert ways() == {"lone", "general"}
        await switch(process, SHORT_PUBLISH, on=True)
        await publish()
        assert len(framework.paths) == 2
    assert await process.database.system.fetchval("SELECT count(*) FROM notifications WHERE project = $1", tenant.id) == 4


async def test_streams_are_opened_by_the_route(process: Process) -> None:
    tenant, _ = await create_project(process.database, "short", SHARDS)
    token, _ = await process.access.mint(tenant, "alice", 60, "test")

    async def route(scope: Any, receive: Any, send: Any) -> None: ...

    general = Recorder(route)
    scope = {
        "path": "/v1/stream",
        "query_string": b"",
        "headers": [(b"authorization", f"Bearer {token}".encode())],
        "litestar_app": create_front(process).app.app,
    }
    await switch(process, SHORT_STREAM, on=False)
    await Shortcut(general)(scope, None, None)
    assert general.paths == ["/v1/stream"]


async def test_connections_to_receivers_are_not_kept(process: Process) -> None:
    """As the deliveries' worker asks it (`workers/deliveries.py`)."""
    from_worker = process.reach.outbound
    from_worker.pool.keeps = lambda: process.flags.is_on(KEPT_CONNECTIONS, "")
    async with serving(answering(OK)) as server:
        url = f"http://127.0.0.1:{server.port}/"
        assert [(await from_worker.request("POST", url, body=b"{}")).reused for _ in range(3)] == [False, True, True]
        await switch(process, KEPT_CONNECTIONS, on=False)
        assert not [(await from_worker.request("POST", url, body=b"{}")).reused for _ in range(3)][-1]
