"""Service levels over HTTP, at the command line and among the metrics."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec
import pytest
import uvicorn
from litestar import Litestar
from prometheus_client import REGISTRY
from running import listens, until

from deliveries.conftest import Deliveries
from deliveries.levels_ground import HOUR, MINUTE, NOON, SECOND, Levels, app_of, begin, counted, levels
from tidings.deliveries.ledger.claim import Claimed
from tidings.deliveries.ledger.outcome import Next, Outcome
from tidings.deliveries.ledger.settle import Result
from tidings.deliveries.levels.gauges import count_settled
from tidings.deliveries.levels.reading import list_levels
from tidings.platform.embedded.memory import free_port
from tidings.platform.ids import uuid7
from tidings.platform.postgres import tenant_connection

__all__ = ["levels"]


async def test_levels_over_http_page_by_page(api: Deliveries, levels: Levels) -> None:
    made = [(await api.endpoint())["id"] for _ in range(3)]
    now = datetime.now(UTC)
    await begin(api, now - HOUR)
    await levels.end(made[1], [("delivered", now - MINUTE, 0.5)] * 3 + [("dead", now - MINUTE, 1.0)])
    await levels.check(now)
    first = await api.ok("GET", "/v1/service-levels?limit=2&window=1h")
    assert [item["key"] for item in first["items"]] == made[:2]
    assert (first["project"]["figures"]["success"], first["connectors"][0]["connector"]) == (0.75, "webhook")
    second = await api.ok("GET", f"/v1/service-levels?limit=2&window=1h&after={first['next']}")
    assert ([item["key"] for item in second["items"]], second["next"], second["project"]) == (made[2:], None, None)
    detail = await api.ok("GET", f"/v1/service-levels/{made[1]}?window=1h")
    assert detail["figures"] == first["items"][1]["figures"] and [point["figures"]["dead"] for point in detail["timeline"]] == [1]
    assert detail["success"]["burn_1h"] == pytest.approx(250) and detail["success"]["left"] == pytest.approx(-249)


async def test_a_target_is_set_and_given_back(api: Deliveries, levels: Levels) -> None:
    made = (await api.endpoint())["id"]
    path = f"/v1/service-levels/{made}"
    assert (await api.ok("GET", path))["target"] == {"success": 0.999, "p99_s": 60, "is_default": True}
    assert await api.ok("PUT", path, {"success": 0.95}) == {"success": 0.95, "p99_s": 60, "is_default": False}
    assert (await api.ok("GET", path))["target"]["success"] == 0.95
    assert (await api.ok("PUT", path, {}))["is_default"]
    assert await api.database.system.fetchval("SELECT count(*) FROM service_targets WHERE project = $1", api.tenant.id) == 0


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "field"),
    [
        ("GET", "?window=2h", None, 422, "window"), ("GET", "/{key}?window=", None, 422, "window"), ("GET", "?after=x", None, 400, "after"),
        ("PUT", "/{key}", {"success": 1}, 422, "success"), ("PUT", "/{key}", {"p99_s": 0}, 422, "p99_s"),
        ("PUT", "/{key}", {"p99": 1}, 422, None), ("PUT", "/ep_x", {}, 404, None), ("GET", "/ep_x", None, 404, None),
        ("GET", "/%00", None, 422, None), ("PUT", "/%00", {}, 422, None),
    ],
)  # fmt: skip
async def test_wrong_requests_are_refused(
    api: Deliveries, levels: Levels, method: str, path: str, body: Any, status: int, field: str | None
) -> None:
    made = (await api.endpoint())["id"]
    answer = await api(method, "/v1/service-levels" + path.format(key=made), body)
    assert answer.status_code == status, answer.text
    assert field is None or answer.json()["field"] == field


async def test_each_operation_asks_for_its_scope(api: Deliveries, levels: Levels) -> None:
    made = (await api.endpoint())["id"]
    nobody, reader = await api.key("endpoints:write"), await api.key("deliveries:read")
    for path in ("/v1/service-levels", f"/v1/service-levels/{made}"):
        assert (await api("GET", path, key=nobody)).json()["scope"] == "deliveries:read"
        assert (await api("GET", path, key=reader)).status_code == 200
    assert (await api("PUT", f"/v1/service-levels/{made}", {}, key=reader)).json()["scope"] == "deliveries:write"


async def test_a_project_sees_nothing_of_another(api: Deliveries, levels: Levels) -> None:
    made = (await api.endpoint())["id"]
    await api.ok("PUT", f"/v1/service-levels/{made}", {"success": 0.9})
    await levels.end(made, [("dead", NOON - 3 * HOUR - n * SECOND, 0.1) for n in range(40)])
    for minutes in range(0, 5, 2):
        await levels.check(NOON - 3 * HOUR + minutes * MINUTE)
    await levels.check(NOON)
    stranger = await api.database.system.fetchval(
        "INSERT INTO projects (key, name, shard) VALUES (md5(random()::text), 'other', 0) RETURNING id"
    )
    for project, seen in ((api.tenant.id, True), (stranger, False)):
        async with tenant_connection(api.database, project) as connection:
            for table in ("service_tallies", "service_targets", "service_alarms"):
                assert bool(await connection.fetchval(f"SELECT count(*) FROM {table}")) == seen, (table, project)
    async with tenant_connection(api.database, stranger) as connection:
        page = await list_levels(connection, api.tenant.id, "24h", None, 100, NOON)
        assert page.items == [] and counted(page.project) == (0, 0)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(
                "INSERT INTO service_targets (destination, project, success, p99_s) VALUES (1, $1, 0.5, 1)", api.tenant.id
            )


async def test_metrics_are_by_connector(api: Deliveries, levels: Levels) -> None:
    made = (await api.endpoint())["id"]
    now = datetime.now(UTC)
    await api.database.system.execute("UPDATE lanes SET due_at = NULL, breaker = 'closed'")
    await api.deliver(made, at=now - HOUR)
    await api.database.system.execute(
        "UPDATE lanes SET due_at = now(), breaker = 'open' WHERE destination = (SELECT id FROM destinations WHERE key = $1)", made
    )
    await levels.check(now)
    assert figure("tidings_deliveries_waiting_seconds") == pytest.approx(3600)
    assert figure("tidings_breakers", state="open") == 1
    before = [figure("tidings_deliveries_total", outcome=outcome) for outcome in ("delivered", "dead", "pending")]
    results = [result(state, now) for state in ("delivered", "delivered", "dead", "pending")]
    unwritten = result("delivered", now)
    count_settled([*results, unwritten], {one.of.key for one in results}, lambda _: "webhook")
    after = [figure("tidings_deliveries_total", outcome=outcome) for outcome in ("delivered", "dead", "pending")]
    assert [b - a for a, b in zip(before, after, strict=True)] == [2, 1, 0]
    assert figure("tidings_delivery_seconds_bucket", le="2.5") - figure("tidings_delivery_seconds_bucket", le="1.0") >= 2


def figure(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, {"connector": "webhook"} | labels) or 0.0


def result(state: Any, now: datetime) -> Result:
    of = Claimed(str(uuid7()), 1, 0, 1, 1, now, None, "notification.created", now - 2 * SECOND, None, None, None, None, None, None)
    return Result(of, Outcome(kind="delivered", reason="test"), Next(state), now)


@asynccontextmanager
async def serving(app: Litestar) -> AsyncIterator[str]:
    """Its URL, while it is served."""
    server = uvicorn.Server(uvicorn.Config(app, port=free_port(), log_level="warning", lifespan="off"))
    task = asyncio.create_task(server.serve())
    await until(lambda: listens(server.config.port), what="the server listens")
    yield f"http://127.0.0.1:{server.config.port}"
    server.should_exit = True
    await task


async def test_the_command_line_prints_a_table_and_json(api: Deliveries, levels: Levels) -> None:
    made = [(await api.endpoint())["id"] for _ in range(2)]
    now = datetime.now(UTC)
    await begin(api, now - HOUR)
    await levels.end(made[0], [("delivered", now - MINUTE, 0.5)] * 99 + [("dead", now - MINUTE, 1.0)])
    await levels.check(now)
    async with serving(app_of(api)) as url:

        async def tidings_levels(*arguments: str) -> str:
            environment = os.environ | {"TIDINGS_API_KEY": api.secret, "TIDINGS_PUBLIC_URL": url}
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", "from tidings.cli.levels import command; command()", "--url", url, *arguments),
                env=environment, stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
            out, _ = await asyncio.wait_for(process.communicate(), 60)
            assert process.returncode == 0
            return out.decode()

        lines = (await tidings_levels("--window", "1h")).splitlines()
        assert [line.split()[0] for line in lines[1:]] == ["all", "webhook", *made]
        assert "99.000%" in lines[3] and "missed since" in lines[3] and "missed" not in lines[4]
        shown = msgspec.json.decode(await tidings_levels("--json"))
        assert [item["key"] for item in shown["items"]] == made and shown["project"]["figures"]["dead"] == 1
        lines = (await tidings_levels(made[0], "--window", "1h")).splitlines()
        assert lines[0].startswith(made[0]) and len(lines) == 5
