"""Backups over HTTP: for operators, and nobody else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import httpx
import msgspec
import pytest
from in_process import Api, api, given, state_dir
from litestar import Litestar
from litestar.datastructures import State

from backups.ground import Backups, Ground
from tidings.access.guards import dependencies
from tidings.access.projects import create_project
from tidings.backups import routes
from tidings.backups.schedule import keep_schedule
from tidings.deliveries.ledger.clock import time_of
from tidings.platform.postgres import Database
from tidings.platform.problems import HANDLERS
from tidings.settings import Settings

__all__ = ["api", "state_dir"]


@pytest.fixture
def database(ground: Ground, database_url: str) -> Database:
    return ground.database


@pytest.fixture
async def operators(api: Api, ground: Ground) -> AsyncIterator[Api]:
    """The project whose keys may, where a worker keeps the schedule."""
    async with ground.database.system.acquire() as connection:
        await keep_schedule(connection, api.settings, await time_of(connection))
    async with serving(api, msgspec.structs.replace(api.settings, operators=api.tenant.key, redis_url=ground.servers.redis_url)) as served:
        yield served


@asynccontextmanager
async def serving(api: Api, settings: Settings) -> AsyncIterator[Api]:
    app: Any = Litestar(
        route_handlers=[routes.router],
        dependencies={"database": given(api.database), "settings": given(settings)} | dependencies,
        exception_handlers=HANDLERS,
        state=State({"tidings": SimpleNamespace(access=api.access, settings=settings)}),
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://x") as client:
        yield Api(client, api.database, settings, api.access, api.tenant, api.secret)


async def test_operators_start_a_backup_and_see_how_it_went(operators: Api, in_folder: Backups) -> None:
    asked = await operators.ok("POST", "/v1/backups", {"task": "logical"})
    assert asked["state"] == "waiting" and asked["asked_by"].startswith("key:")
    assert (await operators.ok("POST", "/v1/backups", {}))["id"] == asked["id"], "what waits already is not asked for twice"

    done = await in_folder.doer.do_next()
    assert done is not None
    shown = await operators.ok("GET", f"/v1/backups/{asked['id']}")
    assert (shown["state"], shown["backup"], shown["failure"]) == ("done", asked["id"], None)
    assert shown["result"]["bytes"] == shown["sent_bytes"] > 0 and shown["plain_bytes"] > 0
    assert await operators.ok("GET", "/v1/backups") == {"items": [shown], "next": None}


@pytest.mark.parametrize("last", ["DELETE FROM backup_schedule", "UPDATE backup_schedule SET next_at = now() - interval '2 days'"])
async def test_what_no_worker_would_do_is_refused(operators: Api, ground: Ground, last: str) -> None:
    await ground.execute(last)
    answer = await operators("POST", "/v1/backups", {"task": "logical"})
    assert answer.status_code == 409 and "TIDINGS_BACKUP_URL" in answer.json()["detail"]


async def test_runs_come_in_pages_the_newest_first(operators: Api, ground: Ground) -> None:
    asked = [(await operators.ok("POST", "/v1/backups", {"task": task}))["id"] for task in ("logical", "physical", "verify")]
    first = await operators.ok("GET", "/v1/backups?limit=2")
    second = await operators.ok("GET", f"/v1/backups?limit=2&after={first['next']}")
    assert [run["id"] for page in (first, second) for run in page["items"]] == sorted(asked, reverse=True)
    assert second["next"] is None


async def test_another_project_s_key_gets_in_nowhere_whatever_its_scopes(operators: Api) -> None:
    _, stranger = await create_project(operators.database, "another", 2)
    for method, path, body in (("GET", "", None), ("GET", "/x", None), ("POST", "", {})):
        answer = await operators(method, "/v1/backups" + path, body, key=stranger)
        assert answer.status_code == 403 and "TIDINGS_OPERATORS" in answer.json()["detail"]


async def test_nobody_gets_in_where_no_operators_are_named(api: Api, ground: Ground) -> None:
    async with serving(api, msgspec.structs.replace(api.settings, redis_url=ground.servers.redis_url)) as nobody:
        assert (await nobody("GET", "/v1/backups")).status_code == 403


async def test_what_does_not_exist_or_cannot_be_asked_for_is_refused(operators: Api) -> None:
    assert (await operators("GET", "/v1/backups/never")).status_code == 404
    assert (await operators("POST", "/v1/backups", {"task": "drop"})).status_code == 422
    assert (await operators("POST", "/v1/backups", {"backup": "x"})).status_code == 422
