"""Reports of failures: what they say, and what they do not."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import asyncpg
from running import Project

from telemetry.conftest import Telling
from tidings import __version__
from tidings.deliveries.sending.queue import JOB, open_queue
from tidings.platform.telemetry.sentry import scrubbed

CANARY = "canary-7Qz9+body/and=more"


def of(process: str, kind: str) -> Any:
    return lambda event: event["tags"].get("process") == process and event.get("exception", {}).get("values", [{}])[-1].get("type") == kind


def is_clean(telling: Telling, project: Project) -> bool:
    """Whether nothing that was planted, and no key, came out: whole requests are looked at."""
    forms = (CANARY.encode(), base64.b64encode(CANARY.encode()).rstrip(b"=")[:-2], b"canary", project.api_key.encode())
    return not any(form in heard for form in forms for heard in telling.sentry.heard)


async def test_a_request_that_fails_is_reported_without_what_it_carried(telling: Telling) -> None:
    """In its path neither, where people's addresses and tokens are."""
    project = await telling.new_project()
    async with without(telling, "categories"):
        url = f"{telling.tidings.base_url}/v1/categories/canary-category?note={CANARY}"
        headers = project.headers | {"X-Request-Id": "failing-1", "X-Own": CANARY, "Cookie": f"own={CANARY}"}
        async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
            assert answer.status == 500
    event = await telling.sentry.event(of("api", "UndefinedTableError"), "of the API")
    assert (event["release"], event["environment"]) == (f"tidings@{__version__}", "tests")
    line = next(line for line in telling.lines(telling.tidings.api) if line.get("request") == "failing-1")
    assert line["project"] == project.key and "UndefinedTableError" in line["exception"]
    assert event["tags"] == {"process": "api", "request": "failing-1", "project": line["project"], "trace": line["trace"]}
    frames = event["exception"]["values"][-1]["stacktrace"]["frames"]
    assert any(frame["module"].startswith("tidings.") for frame in frames)
    assert line["message"] == "GET /v1/categories/{category} failed" == event["message"]
    assert event["request"] == {"method": "GET"} and event["transaction"].endswith("get_one_category")
    assert "canary" not in telling.tidings.log_of(telling.tidings.api) and not any("vars" in frame for frame in frames)
    assert telling.sentry.kinds == {"event"} and is_clean(telling, project)


def test_what_fails_before_it_has_a_route_names_no_path() -> None:
    """Sentry names it by its URL."""
    left = scrubbed({"transaction": "/v1/unsubscribe/canary", "transaction_info": {"source": "url"}, "level": "error"}, None)
    assert "canary" not in str(left) and left["level"] == "error"


async def test_a_connector_that_fails_is_reported_without_its_secrets(telling: Telling) -> None:
    project = await telling.new_project()
    endpoint = await telling.endpoint(project, "/broken", headers={"X-Api-Key": CANARY}, schedule=[3600])
    admin = await asyncpg.connect(telling.tidings.environment["TIDINGS_DATABASE_URL"])
    await admin.execute("UPDATE destinations SET config = '{}', updated_at = now() WHERE key = $1", endpoint)
    await admin.close()
    await project.publish(f"Title with {CANARY}", ["alice"])
    event = await telling.sentry.event(of("deliveries", "KeyError"), "of the worker")
    assert event["tags"]["project"] == project.key
    [line] = [line for line in telling.lines(telling.worker) if line["level"] == "ERROR"]
    assert line["delivery"] == event["tags"]["delivery"] and line["project"] == project.key
    assert len(line["trace"]) == 32 and line["trace"] == event["tags"]["trace"]
    assert is_clean(telling, project) and "canary" not in telling.tidings.log_of(telling.worker)


async def test_a_job_that_fails_is_reported(telling: Telling) -> None:
    queue = open_queue(telling.tidings.environment["TIDINGS_REDIS_URL"])
    await queue.enqueue_job(JOB)
    await queue.aclose(close_connection_pool=True)
    event = await telling.sentry.event(of("deliveries", "IndexError"), "of the job")
    assert event["transaction"] == "job" and "arq" in event["sdk"]["integrations"]
    last = event["exception"]["values"][-1]["stacktrace"]["frames"][-1]
    assert (last["module"], last["function"]) == ("tidings.deliveries.sending.queue", "run")


async def test_what_is_refused_is_not_reported(telling: Telling) -> None:
    project = await telling.new_project()
    await project.call("POST", "/v1/notifications", {"to": [], "title": CANARY}, expect=422)
    await project.call("GET", "/v1/nothing", expect=404)
    # What fails after it is reported after it.
    async with without(telling, "categories"):
        await project.call("GET", "/v1/categories", expect=500, traceparent=f"00-{'c' * 32}-{'d' * 16}-00")
    await telling.sentry.event(lambda event: event["tags"].get("request") == "c" * 32, "of the API")
    assert {event["exception"]["values"][-1]["type"] for event in telling.sentry.events} <= {
        "UndefinedTableError",
        "KeyError",
        "IndexError",
    }
    assert is_clean(telling, project)


@asynccontextmanager
async def without(telling: Telling, table: str) -> AsyncIterator[None]:
    """What no request or job can foresee."""
    admin = await asyncpg.connect(telling.tidings.environment["TIDINGS_DATABASE_URL"])
    await admin.execute(f"ALTER TABLE {table} RENAME TO {table}_gone")
    try:
        yield
    finally:
        await admin.execute(f"ALTER TABLE {table}_gone RENAME TO {table}")
        await admin.close()
