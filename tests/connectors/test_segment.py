"""Segment, against a server that keeps what the HTTP Tracking API would; with what all connectors of product analytics share."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest
from aiohttp import web
from own_database import own_database
from running import Servers

from connectors.far_end import FarEnd, Got, destination, far_end, is_in, reaching
from connectors.telling import NOTIFICATION, TITLE, basic, bodies, delivered, event, marked, send, sent
from tidings.deliveries.connectors.analytics.fact import Fact, fact_of
from tidings.deliveries.connectors.analytics.parts import Limits, Message, parts
from tidings.deliveries.connectors.connector import Destination, Reach
from tidings.deliveries.connectors.segment import connector as segment_connector
from tidings.deliveries.connectors.segment.connector import Segment
from tidings.deliveries.connectors.segment.message import LIMITS, body_of, message_of
from tidings.deliveries.ledger.claim import Claimed

KEY = "wk_0123456789abcdef"


@dataclass
class Debugger:
    """By https://segment.com/docs/connections/sources/catalog/libraries/server/http-api/#errors.

    events: what Segment would have, by messageId.   poison: an event with this in it is no JSON to it.
    """

    events: dict[str, Any] = field(default_factory=dict)
    poison: str | None = None

    def judge(self, got: Got) -> web.Response:
        if got.path != "/v1/batch" or len(got.body) > 500_000 or (self.poison and self.poison in got.body.decode()):
            return web.json_response({"success": False, "message": "malformed JSON"}, status=400)
        batch = json.loads(got.body)["batch"]
        if basic(got.headers["authorization"]) == (KEY, "") and len(batch) <= 2500:
            self.events |= {call["messageId"]: call for call in batch if self.is_valid(call)}
        return web.json_response({"success": True})

    @staticmethod
    def is_valid(call: dict[str, Any]) -> bool:
        datetime.fromisoformat(call["timestamp"])
        is_someone = isinstance(call.get("userId"), str) != isinstance(call.get("anonymousId"), str)
        is_small = len(json.dumps(call, ensure_ascii=False).encode()) < 32_000
        return call["type"] == "track" and bool(call["event"]) and len(call["messageId"]) < 100 and is_someone and is_small


@pytest.fixture
def debugger() -> Debugger:
    return Debugger()


@pytest.fixture
async def segment(debugger: Debugger, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FarEnd]:
    async with far_end(debugger.judge) as service:
        monkeypatch.setitem(segment_connector.URLS, "eu", service.url + "/v1/batch")
        yield service


@pytest.fixture
async def reach() -> AsyncIterator[Reach]:
    async with reaching() as reach:
        yield reach


def to(**config: Any) -> Destination:
    return destination("segment", {"region": "eu"} | config, {"write_key": KEY})


@pytest.mark.parametrize(
    ("delivery", "name", "person", "properties"),
    [
        (sent(4), "Notification Sent", None, {"notification_id": NOTIFICATION, "recipients": 4, "category": "results", "priority": "high"}),
        (delivered(), "Notification Delivered", None, {"notification_id": NOTIFICATION, "endpoint": "ep_1", "attempts": 2}),
        (marked("seen", "anna"), "Notification Seen", "anna", {"notification_id": NOTIFICATION, "count": 1}),
        (marked("read", "anna", ["a"] * 1000), "Notification Read", "anna", {"count": 1000}),
        (marked("clicked", "Zoë 🌷"), "Notification Clicked", "Zoë 🌷", {"notification_id": NOTIFICATION, "count": 1}),
        (event("inbox.clicked", {"id": "n"}, actor="subscriber:bo"), "Notification Clicked", "bo", {"notification_id": "n", "count": 1}),
    ],
)  # fmt: skip
def test_what_is_told(delivery: Claimed, name: str, person: str | None, properties: dict[str, Any]) -> None:
    assert fact_of(delivery, "int_1", "") == Fact(delivery.id, name, delivery.accepted_at, person, properties)


@pytest.mark.parametrize(
    ("delivery", "reason"),
    [
        (event("topic.members", {}), "not_told"),
        (event("subscriber.updated", {"subscriber": "anna"}), "not_told"),
        (delivered("int_1"), "not_told"),
        (delivered(of="inbox.read"), "not_told"),
        (event("notification.created", None), "expired"),
    ],
)
async def test_what_is_not_told(reach: Reach, segment: FarEnd, delivery: Claimed, reason: str) -> None:
    [outcome] = await send(Segment(), reach, to(), delivery)
    assert (outcome.kind, outcome.reason) == ("refused", reason)
    assert not segment.got


async def test_deliveries_go_together_and_what_comes_twice_is_known(reach: Reach, segment: FarEnd, debugger: Debugger) -> None:
    deliveries = [sent(), delivered(), *(marked("read", f"person-{number}") for number in range(200))]
    for _ in range(2):
        outcomes = await send(Segment(), reach, to(), *deliveries)
        assert {outcome.kind for outcome in outcomes} == {"delivered"}
        assert "debugger" in outcomes[0].detail
    assert len(segment.got) == 2
    assert debugger.events.keys() == {delivery.id for delivery in deliveries}
    assert debugger.events[deliveries[2].id]["userId"] == "person-0"
    assert debugger.events[deliveries[0].id]["anonymousId"] == "prj_1"


async def test_names_are_prefixed_and_what_people_are_told_stays_here(reach: Reach, segment: FarEnd, debugger: Debugger) -> None:
    await send(Segment(), reach, to(prefix="Tidings: "), sent(), marked("seen", "anna"))
    assert {call["event"] for call in debugger.events.values()} == {"Tidings: Notification Sent", "Tidings: Notification Seen"}
    assert not [body for body in bodies(segment) if TITLE.encode() in body or b"/results/17" in body]


async def test_one_that_is_too_large_does_not_hold_up_the_others(reach: Reach, segment: FarEnd, debugger: Debugger) -> None:
    large, small = sent(category="x" * 40_000), sent()
    outcomes = await send(Segment(), reach, to(), large, small)
    assert [(outcome.kind, outcome.reason) for outcome in outcomes] == [("refused", "too_large"), ("delivered", "http_200")]
    assert debugger.events.keys() == {small.id}


async def test_a_batch_is_kept_below_500_kb(reach: Reach, segment: FarEnd, debugger: Debugger) -> None:
    deliveries = [sent(category="x" * 20_000) for _ in range(60)]
    outcomes = await send(Segment(), reach, to(), *deliveries)
    assert {outcome.kind for outcome in outcomes} == {"delivered"}
    assert len(debugger.events) == 60
    assert len(segment.got) == 3


async def test_one_that_spoils_a_batch_is_found(reach: Reach, segment: FarEnd, debugger: Debugger) -> None:
    debugger.poison = "poisoned"
    deliveries = [sent() for _ in range(20)]
    deliveries[13] = sent(category="poisoned")
    outcomes = await send(Segment(), reach, to(), *deliveries)
    assert [outcome.kind for outcome in outcomes] == ["delivered"] * 13 + ["refused"] + ["delivered"] * 6
    assert len(debugger.events) == 19


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [([], []), ([10], [[10]]), ([10] * 5, [[10, 10, 10], [10, 10]]), ([60, 60, 10], [[60], [60, 10]]), ([99, 1, 1], [[99, 1], [1]])],
)
def test_parts_are_within_their_limits(sizes: list[int], expected: list[list[int]]) -> None:
    messages = [Message(str(index), b"x" * size) for index, size in enumerate(sizes)]
    found = list(parts(messages, Limits(most=3, most_bytes=101, most_each=100)))
    assert [[len(message.body) for message in part] for part in found] == expected
    assert [message for part in found for message in part] == messages


def test_the_largest_batch_is_within_what_segment_takes() -> None:
    fact = Fact("0" * 36, "Notification Sent", sent().accepted_at, "p" * 255, {"category": "x" * 200})
    [first, *_] = parts([message_of(fact, "prj_1")] * 3000, LIMITS)
    assert len(body_of(first)) <= 500_000


@pytest.mark.parametrize(
    ("status", "kind", "reason", "slow_down"),
    [
        (200, "delivered", "http_200", False),
        (301, "retry", "http_301", False),
        (400, "refused", "http_400", False),
        (401, "retry", "unauthorized", False),
        (403, "retry", "unauthorized", False),
        (408, "retry", "http_408", False),
        (413, "refused", "http_413", False),
        (429, "retry", "http_429", True),
        (500, "retry", "http_500", False),
        (503, "retry", "http_503", True),
    ],
)
async def test_what_answers_mean(reach: Reach, segment: FarEnd, status: int, kind: str, reason: str, slow_down: bool) -> None:
    segment.answer(status, {"success": False}, Retry_After="900")
    [outcome] = await send(Segment(), reach, to(), sent())
    assert (outcome.kind, outcome.reason, outcome.slow_down) == (kind, reason, slow_down)
    assert KEY not in outcome.detail
    if kind == "retry":
        assert is_in(outcome, 900)


async def test_an_attempt_without_an_answer_is_made_again(reach: Reach, segment: FarEnd) -> None:
    segment.is_silent = True
    outcomes = await send(Segment(), reach, to(), sent(), sent())
    assert [(outcome.kind, outcome.reason) for outcome in outcomes] == [("retry", "broken_answer")] * 2


async def test_only_who_agreed_is_told_of(servers: Servers, segment: FarEnd, debugger: Debugger) -> None:
    people = {"agreed": '{"analytics": true}', "refused": '{"analytics": false}', "text": '{"analytics": "true"}', "silent": "{}"}
    async with own_database(servers) as (_, database), reaching(database.system) as reach:
        project = await database.system.fetchval(
            "INSERT INTO projects (key, name, shard) VALUES ('prj_consent', 'Consent', 0) RETURNING id"
        )
        for person, attributes in people.items():
            await database.system.execute(
                "INSERT INTO subscribers (project, external_id, attributes, created_by) VALUES ($1, $2, $3, 'test')",
                project,
                person,
                attributes,
            )
        deliveries = [sent(), *(marked("read", person) for person in (*people, "unknown"))]
        there = destination("segment", {"region": "eu", "consent_attribute": "analytics"}, {"write_key": KEY}, project)
        outcomes = await send(Segment(), reach, there, *deliveries)
    assert [outcome.reason for outcome in outcomes] == ["http_200", "http_200", *["no_consent"] * 4]
    assert [outcome.kind for outcome in outcomes[2:]] == ["refused"] * 4
    assert debugger.events.keys() == {deliveries[0].id, deliveries[1].id}
