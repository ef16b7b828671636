"""Reports of failures: what they say, and what they do not."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import asyncpg
from telemetry.conftest import Telling

from tidings import __version__

CANARY = "canary-7Qz9+body/and=more"


def of(process: str, kind: str) -> Any:
    return lambda event: event["tags"].get("process") == process and event.get("exception", {}).get("values", [{}])[-1].get("type") == kind


def is_clean(telling: Telling) -> bool:
    """Whether nothing that was planted, and no key, came out: whole requests are looked at."""
    forms = (CANARY.encode(), base64.b64encode(CANARY.encode()).rstrip(b"=")[:-2], b"canary", telling.project.api_key.encode())
    return not any(form in heard for form in forms for heard in telling.sentry.heard)


async def test_a_request_that_fails_is_reported_without_what_it_carried(telling: Telling) -> None:
    async with without(telling, "categories"):
        url = f"{telling.tidings.base_url}/v1/categories?note={CANARY}"
        headers = telling.project.headers | {"X-Request-Id": "failing-1", "X-Own": CANARY, "Cookie": f"own={CANARY}"}
        async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
            assert answer.status == 500
    event = await telling.sentry.event(of("api", "UndefinedTableError"), "of the API")
    assert (event["release"], event["environment"]) == (f"tidings@{__version__}", "tests")
    line = next(line for line in telling.lines(telling.tidings.api) if line.get("request") == "failing-1")
    assert line["project"] == telling.project.key and "UndefinedTableError" in line["exception"]
    assert event["tags"] == {"process": "api", "request": "failing-1", "project": line["project"], "trace": line["trace"]}
    frames = event["exception"]["values"][-1]["stacktrace"]["frames"]
    assert any(frame["module"].startswith("tidings.") for frame in frames)
    assert set(event.get("request", {})) <= {"method", "url"} and not any("vars" in frame for frame in frames)
    assert telling.sentry.kinds == {"event"} and is_clean(telling)


async def test_a_connector_that_fails_is_reported_without_its_secrets(telling: Telling) -> None:
    made = await telling.endpoint("/broken", headers={"X-Api-Key": CANARY}, schedule=[3600])
    admin = await asyncpg.connect(telling.tidings.environment["TIDINGS_DATABASE_URL"])
    await admin.execute("UPDATE destinations SET config = '{}', updated_at = now() WHERE key = $1", made["id"])
    await admin.close()
    await telling.project.publish(f"Title with {CANARY}", ["alice"])
    event = await telling.sentry.event(of("deliveries", "KeyError"), "of the worker")
    assert event["tags"]["project"] == telling.project.key
    [line] = [line for line in telling.lines(telling.worker) if line["level"] == "ERROR"]
    assert line["delivery"] == event["tags"]["delivery"] and line["project"] == telling.project.key
    assert len(line["trace"]) == 32 and line["trace"] == event["tags"]["trace"]
    assert is_clean(telling) and "canary" not in telling.tidings.log_of(telling.worker)
    await telling.project.call("DELETE", f"/v1/endpoints/{made['id']}")


async def test_a_job_that_fails_is_reported(telling: Telling) -> None:
    async with without(telling, "attempts"):
        await telling.endpoint("/job")
        await telling.project.publish("Job", ["alice"])
        event = await telling.sentry.event(of("deliveries", "UndefinedTableError"), "of the job")
    assert event["transaction"]
    assert is_clean(telling)


async def test_what_is_refused_is_not_reported(telling: Telling) -> None:
    await telling.project.call("POST", "/v1/notifications", {"to": [], "title": CANARY}, expect=422)
    await telling.project.call("GET", "/v1/nothing", expect=404)
    # What fails after it is reported after it.
    async with without(telling, "suppressions"):
        await telling.project.call("GET", "/v1/suppressions", expect=500, **{"X-Request-Id": "failing-2"})
    await telling.sentry.event(lambda event: event["tags"].get("request") == "failing-2", "of the API")
    assert {event["exception"]["values"][-1]["type"] for event in telling.sentry.events} <= {"UndefinedTableError", "KeyError"}
    assert is_clean(telling)


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
