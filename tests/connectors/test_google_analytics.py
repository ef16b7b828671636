"""Google Analytics, against a server that answers as it does: alike to all, while it counts what is within its limits."""

import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from loguru import logger

from connectors.far_end import PUBLIC, FarEnd, Got, destination, far_end, reaching
from connectors.telling import NOTIFICATION, event, marked, send, sent
from tidings.deliveries.connectors.connector import Destination, Reach
from tidings.deliveries.connectors.google_analytics import connector as google_connector
from tidings.deliveries.connectors.google_analytics.connector import GoogleAnalytics, GoogleAnalyticsConfig, GoogleAnalyticsCredentials
from tidings.deliveries.connectors.google_analytics.message import client_id, name_of, shortened
from tidings.errors import Invalid

ID = "G-1A2B3C4D5E"
SECRET = "s3cr/t+with&odd=signs"


@dataclass
class Property:
    """By …/protocol/ga4/reference and …/sending-events#limitations (https://developers.google.com/analytics/devguides/collection).

    counted: events with the client and the person they came with.
    """

    counted: list[tuple[str, str | None, Any]] = field(default_factory=list)

    def judge(self, got: Got) -> web.Response:
        body = json.loads(got.body)
        is_let_in = got.path == "/mp/collect" and got.query == {"measurement_id": ID, "api_secret": SECRET}
        if is_let_in and len(body["events"]) <= 25 and len(got.body) < 130_000 and len(body.get("user_id", "")) <= 256:
            self.counted += [(body["client_id"], body.get("user_id"), one) for one in body["events"] if self.is_valid(one)]
        return web.Response(status=204)

    @staticmethod
    def is_valid(one: dict[str, Any]) -> bool:
        at = datetime.fromtimestamp(one["timestamp_micros"] / 1_000_000, UTC)
        params = one["params"]
        names = [one["name"], *params]
        is_named = all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,39}", name) for name in names) and not one["name"].startswith(
            ("ga_", "google_")
        )
        is_short = len(params) <= 25 and all(len(str(value)) <= 100 for value in params.values())
        return is_named and is_short and datetime.now(UTC) - at < timedelta(hours=72)


@pytest.fixture
def stream() -> Property:
    return Property()


@pytest.fixture
async def google(stream: Property, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FarEnd]:
    async with far_end(stream.judge) as service:
        monkeypatch.setitem(google_connector.BASES, "eu", service.url)
        yield service


@pytest.fixture
async def reach() -> AsyncIterator[Reach]:
    async with reaching() as reach:
        yield reach


def to(**config: Any) -> Destination:
    return destination("google_analytics", {"measurement_id": ID, "region": "eu"} | config, {"api_secret": SECRET})


async def test_events_of_a_person_go_together_twenty_five_at_a_time(reach: Reach, google: FarEnd, stream: Property) -> None:
    deliveries = [*(marked("read", "anna") for _ in range(30)), *(marked("seen", "bo") for _ in range(3)), sent(8)]
    outcomes = await send(GoogleAnalytics(), reach, to(), *deliveries)
    assert {outcome.kind for outcome in outcomes} == {"delivered"}
    assert sorted(len(got.json["events"]) for got in google.got) == [1, 3, 5, 25]
    assert len(stream.counted) == len(deliveries)
    assert {(client, person) for client, person, _ in stream.counted} == {
        (client_id("prj_1", "anna"), "anna"), (client_id("prj_1", "bo"), "bo"), (client_id("prj_1", None), None),
    }  # fmt: skip
    [created] = [one for _, person, one in stream.counted if person is None]
    assert created["name"] == "notification_sent"
    assert created["params"].items() >= {"recipients": 8, "notification_id": NOTIFICATION, "event_id": deliveries[-1].id}.items()


async def test_the_outcome_says_that_google_answers_everything_alike(reach: Reach, google: FarEnd, stream: Property) -> None:
    there = destination("google_analytics", {"measurement_id": ID, "region": "eu"}, {"api_secret": "wrong"})
    [outcome] = await send(GoogleAnalytics(), reach, there, sent())
    assert outcome.kind == "delivered"
    assert "whether it counts" in outcome.detail
    assert not stream.counted


async def test_what_is_too_long_is_cut_and_what_is_too_old_is_refused(reach: Reach, google: FarEnd, stream: Property) -> None:
    old = event("inbox.read", {"subscriber": "anna"}, accepted_at=datetime.now(UTC) - timedelta(hours=71, minutes=1))
    outcomes = await send(GoogleAnalytics(), reach, to(prefix="Prëfix "), sent(category="é" * 300), old)
    assert [(outcome.kind, outcome.reason) for outcome in outcomes] == [("delivered", "http_204"), ("refused", "too_old")]
    [(_, _, counted)] = stream.counted
    assert counted["name"] == "pr_fix_notification_sent"
    assert counted["params"]["category"] == "é" * 99 + "…"


@pytest.mark.parametrize(
    ("status", "kind"),
    [(204, "delivered"), (200, "delivered"), (302, "retry"), (400, "refused"), (429, "retry"), (500, "unknown"), (503, "retry")],
)
async def test_what_answers_mean(reach: Reach, google: FarEnd, status: int, kind: str) -> None:
    google.answer(status)
    [outcome] = await send(GoogleAnalytics(), reach, to(), sent())
    assert outcome.kind == kind


async def test_what_may_have_arrived_is_not_counted_twice(reach: Reach, google: FarEnd, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not GoogleAnalytics.repeats
    google.is_silent = True
    [outcome] = await send(GoogleAnalytics(), reach, to(), sent())
    assert (outcome.kind, outcome.reason) == ("unknown", "broken_answer")
    assert len(google.got) == 1
    monkeypatch.setitem(google_connector.BASES, "eu", "http://127.0.0.1:1")
    [outcome] = await send(GoogleAnalytics(), reach, to(), sent())
    assert (outcome.kind, outcome.reason) == ("retry", "not_connected")


async def test_the_secret_is_told_to_nobody(reach: Reach, google: FarEnd, monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[str] = []
    handler = logger.add(logged.append, level=0)
    outcomes = list(await send(GoogleAnalytics(), reach, to(), sent()))
    google.answer(500, "error")
    outcomes += await send(GoogleAnalytics(), reach, to(), sent())
    google.is_silent = True
    outcomes += await send(GoogleAnalytics(), reach, to(), sent())
    monkeypatch.setitem(google_connector.BASES, "eu", "http://10.0.0.1")
    outcomes += await send(GoogleAnalytics(), reach, to(), sent())
    logger.remove(handler)
    told = repr(outcomes) + "".join(logged)
    assert "s3cr" not in told
    assert "api_secret" not in told


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Notification Sent", "notification_sent"), ("a — b", "a_b"), ("x" * 60, "x" * 40)],
)
def test_names_as_google_takes_them(name: str, expected: str) -> None:
    assert name_of(name) == expected


@pytest.mark.parametrize(("value", "expected"), [("x" * 100, "x" * 100), ("x" * 101, "x" * 99 + "…"), (7, 7)])
def test_values_as_google_takes_them(value: Any, expected: Any) -> None:
    assert shortened(value) == expected


@pytest.mark.parametrize("prefix", ["", "Tidings ", "T", "my_app_"])
def test_a_prefix_that_google_takes(prefix: str) -> None:
    GoogleAnalytics().check(GoogleAnalyticsConfig(measurement_id=ID, prefix=prefix), GoogleAnalyticsCredentials(api_secret=SECRET), PUBLIC)


@pytest.mark.parametrize("prefix", ["1 ", "_x", "google ", "ga_", "Firebase ", "x" * 19, "é"])
def test_a_prefix_that_google_drops_is_refused(prefix: str) -> None:
    config = GoogleAnalyticsConfig(measurement_id=ID, prefix=prefix)
    with pytest.raises(Invalid) as refused:
        GoogleAnalytics().check(config, GoogleAnalyticsCredentials(api_secret=SECRET), PUBLIC)
    assert refused.value.field == "config.prefix"
