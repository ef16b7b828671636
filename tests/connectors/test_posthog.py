"""PostHog, against a server that takes what its capture API takes."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from aiohttp import web

from connectors.far_end import ALLOWING, PUBLIC, FarEnd, Got, destination, far_end, reaching
from connectors.telling import NOTIFICATION, marked, send, sent
from tidings.deliveries.connectors.connector import Destination, Reach
from tidings.deliveries.connectors.posthog.connector import Posthog, PosthogConfig, PosthogCredentials, batch_url
from tidings.errors import Invalid

KEY = "phc_0123456789abcdef"


@dataclass
class Capture:
    """By https://posthog.com/docs/api/capture. events: by what PostHog merges them: uuid, name, person, time."""

    events: dict[tuple[str, ...], Any] = field(default_factory=dict)

    def judge(self, got: Got) -> web.Response:
        body = json.loads(got.body)
        if got.path != "/batch/" or got.headers["content-type"] != "application/json":
            return web.json_response({"type": "validation_error"}, status=404)
        if body["api_key"] != KEY:
            return web.json_response({"type": "authentication_error", "code": "invalid_api_key"}, status=401)
        for one in body["batch"]:
            if not one.get("distinct_id") or not one.get("event") or set(one) - {"event", "uuid", "timestamp", "distinct_id", "properties"}:
                return web.json_response({"type": "validation_error", "code": "invalid_payload"}, status=400)
            datetime.fromisoformat(one["timestamp"])
            self.events[str(UUID(one["uuid"])), one["event"], one["distinct_id"], one["timestamp"]] = one
        return web.json_response({"status": "Ok"})


@pytest.fixture
def capture() -> Capture:
    return Capture()


@pytest.fixture
async def posthog(capture: Capture) -> AsyncIterator[FarEnd]:
    async with far_end(capture.judge) as service:
        yield service


@pytest.fixture
async def reach() -> AsyncIterator[Reach]:
    async with reaching() as reach:
        yield reach


def to(service: FarEnd, api_key: str = KEY) -> Destination:
    return destination("posthog", {"host": service.url}, {"api_key": api_key})


async def test_a_batch_is_taken_and_what_comes_twice_is_one(reach: Reach, posthog: FarEnd, capture: Capture) -> None:
    deliveries = [sent(5), marked("read", "Zoë 🌷")]
    for _ in range(2):
        assert [outcome.kind for outcome in await send(Posthog(), reach, to(posthog), *deliveries)] == ["delivered"] * 2
    assert len(posthog.got) == 2
    [created, read] = sorted(capture.events.values(), key=lambda one: [delivery.id for delivery in deliveries].index(one["uuid"]))
    assert created["properties"].items() >= {"recipients": 5, "notification_id": NOTIFICATION, "$process_person_profile": False}.items()
    assert created["distinct_id"] == "prj_1"
    assert read["distinct_id"] == "Zoë 🌷"
    assert "$process_person_profile" not in read["properties"]
    assert read["properties"]["$geoip_disable"] is True


async def test_a_wrong_key_can_be_put_right(reach: Reach, posthog: FarEnd) -> None:
    [outcome] = await send(Posthog(), reach, to(posthog, "phc_wrong"), sent())
    assert (outcome.kind, outcome.reason) == ("retry", "unauthorized")


@pytest.mark.parametrize(
    ("status", "body", "kind", "reason"),
    [
        (200, {"status": "Ok", "quota_limited": ["events"]}, "retry", "quota_limited"),
        (200, {"status": "Ok", "quota_limited": ["recordings"]}, "delivered", "http_200"),
        (200, {"status": 1}, "delivered", "http_200"),
        (200, "1", "delivered", "http_200"),
        (200, "", "delivered", "http_200"),
        (400, {"type": "validation_error"}, "refused", "http_400"),
        (413, "", "refused", "http_413"),
        (429, "", "retry", "http_429"),
        (503, "", "retry", "http_503"),
    ],
)
async def test_what_answers_mean(reach: Reach, posthog: FarEnd, status: int, body: Any, kind: str, reason: str) -> None:
    posthog.answer(status, body)
    [outcome] = await send(Posthog(), reach, to(posthog), sent())
    assert (outcome.kind, outcome.reason) == (kind, reason)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("us", "https://us.i.posthog.com/batch/"),
        ("eu", "https://eu.i.posthog.com/batch/"),
        ("https://posthog.example.com", "https://posthog.example.com/batch/"),
        ("https://posthog.example.com/behind/a/path/", "https://posthog.example.com/behind/a/path/batch/"),
    ],
)
def test_where_it_is(host: str, url: str) -> None:
    assert batch_url(host) == url
    Posthog().check(PosthogConfig(host=host), PosthogCredentials(api_key=KEY), PUBLIC)


@pytest.mark.parametrize(
    "host",
    ["asia", "http://posthog.example.com", "https://127.0.0.1:8000", "https://169.254.169.254", "https://a@b", "https://a.example/?x=/"],
)
def test_a_host_that_is_not_sent_to_is_refused(host: str) -> None:
    with pytest.raises(Invalid) as refused:
        Posthog().check(PosthogConfig(host=host), PosthogCredentials(api_key=KEY), PUBLIC)
    assert refused.value.field == "config.host"


def test_a_personal_key_is_refused() -> None:
    with pytest.raises(Invalid) as refused:
        Posthog().check(PosthogConfig(), PosthogCredentials(api_key="phx_123"), ALLOWING)
    assert refused.value.field == "credentials.api_key"
