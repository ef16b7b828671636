"""Stripe Billing, against a server of ours that holds identifiers and keys against repetition as Stripe says that it does.

It was written by hand after Stripe's descriptions, none of which is read here. That it takes what Stripe's own library sends, the last test
shows, by having it send.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import pytest
import stripe
from aiohttp import web
from own_database import own_database
from running import Servers

from connectors.far_end import ALLOWING, destination, reaching
from connectors.telling import event, marked, sent
from tidings.deliveries.connectors.connector import Destination, Reach
from tidings.deliveries.connectors.stripe_meter import connector as stripe_connector
from tidings.deliveries.connectors.stripe_meter.connector import SCHEDULE, StripeMeter, StripeMeterConfig, StripeMeterCredentials
from tidings.deliveries.connectors.stripe_meter.doubt import KNOWN_FOR, TO_DECIDE, Earlier, idempotency_key, standing_of
from tidings.deliveries.connectors.stripe_meter.message import minute_of
from tidings.deliveries.ledger.claim import Claimed
from tidings.deliveries.ledger.outcome import Outcome
from tidings.errors import Invalid

KEY = "rk_test_51ABCDEF"
CUSTOMER = "cus_NciAYcXfLnqBoz"
METER = "mtr_test_61Q8nQMqIFK9fRQmr41CMAXJrFdZ5MnA"
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def error(status: int, message: str, type_of_error: str = "invalid_request_error", **more: Any) -> web.Response:
    headers = {"Stripe-Should-Retry": "false"} if status == 400 else {}
    return web.json_response({"error": {"type": type_of_error, "message": message} | more}, status=status, headers=headers)


@dataclass
class Stripe:
    """POST /v1/billing/meter_events and GET /v1/billing/meters/{id}/event_summaries, as far as the connector uses them: by hand, after
    https://github.com/stripe/openapi and https://docs.stripe.com/api/idempotent_requests.

    events: by identifier.   keys: what a key was used for, and how it was answered.   fault: in place of an answer.   is_silent: it takes
    the event, and ends the connection.   asked: the key of each request.
    """

    url: str = ""
    events: dict[str, dict[str, str]] = field(default_factory=dict)
    keys: dict[str, tuple[bytes, int, bytes]] = field(default_factory=dict)
    fault: web.Response | None = None
    is_silent: bool = False
    asked: list[str] = field(default_factory=list)

    async def create(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.asked.append(request.headers["Idempotency-Key"])
        if refusal := self.refusal(request):
            return refusal
        key = request.headers["Idempotency-Key"]
        known = self.keys.get(key)
        if known and known[0] != body:
            return error(400, "Keys for idempotent requests can only be used with the same parameters", "idempotency_error")
        if known:
            return web.Response(status=known[1], body=known[2], headers={"Idempotent-Replayed": "true"})
        answer = self.fault or self.take(dict(parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True)))
        if answer.status < 400 or answer.status >= 500:
            assert isinstance(answer.body, bytes)
            self.keys[key] = (body, answer.status, answer.body)
        if self.is_silent:
            assert request.transport is not None
            request.transport.abort()
        return web.Response(status=answer.status, body=answer.body, headers=answer.headers)

    def refusal(self, request: web.Request) -> web.Response | None:
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return error(401, "Invalid API Key provided: rk_test_****")
        if not re.fullmatch(r"\d{4}-\d\d-\d\d(\.[a-z]+)?", request.headers.get("Stripe-Version", "")):
            return error(400, "Invalid Stripe API version")
        return None

    def take(self, fields: dict[str, str]) -> web.Response:
        unknown = [
            name for name in fields if name not in ("event_name", "identifier", "timestamp") and not re.fullmatch(r"payload\[\w+\]", name)
        ]
        if unknown:
            return error(400, f"Received unknown parameter: {unknown[0]}", code="parameter_unknown")
        if fields["event_name"] != "notifications_sent":
            return error(400, f"No active meter found for event name {fields['event_name']}")
        if not re.fullmatch(r"cus_\w+", fields["payload[stripe_customer_id]"]) or not re.fullmatch(r"-?\d+", fields["payload[value]"]):
            return error(400, "Invalid payload")
        if abs(int(fields["timestamp"]) - datetime.now(UTC).timestamp()) > timedelta(days=35).total_seconds():
            return error(400, "The timestamp must be within the past 35 days", code="timestamp_too_far_in_past")
        if len(fields["identifier"]) > 100 or len(fields["event_name"]) > 100:
            return error(400, "Invalid string: must be at most 100 characters")
        if fields["identifier"] in self.events:
            return error(400, f"An event already exists with identifier {fields['identifier']}.")
        self.events[fields["identifier"]] = fields
        return web.json_response({"object": "billing.meter_event", "identifier": fields["identifier"], "livemode": False})

    async def summaries(self, request: web.Request) -> web.StreamResponse:
        start, end = int(request.query["start_time"]), int(request.query["end_time"])
        if refusal := self.refusal(request):
            return refusal
        if start % 60 or end % 60 or start >= end or request.match_info["meter"] != METER:
            return error(400, "start_time and end_time must be aligned with minute boundaries")
        mine = [one for one in self.events.values() if one["payload[stripe_customer_id]"] == request.query["customer"]]
        total = sum(int(one["payload[value]"]) for one in mine if start <= int(one["timestamp"]) < end)
        summary = {"object": "billing.meter_event_summary", "aggregated_value": total, "start_time": start, "end_time": end, "meter": METER}
        return web.json_response({"object": "list", "data": [summary] if mine else [], "has_more": False})


@pytest.fixture
async def service(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stripe]:
    service = Stripe()
    app = web.Application()
    app.router.add_post("/v1/billing/meter_events", service.create)
    app.router.add_get("/v1/billing/meters/{meter}/event_summaries", service.summaries)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    service.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    monkeypatch.setattr(stripe_connector, "BASE", service.url)
    yield service
    await runner.cleanup()


@pytest.fixture(scope="module")
async def reach(servers: Servers) -> AsyncIterator[Reach]:
    async with own_database(servers) as (_, database), reaching(database.system) as reach:
        yield reach


def to(**config: Any) -> Destination:
    return destination("stripe_meter", {"event_name": "notifications_sent", "customer": CUSTOMER} | config, {"key": KEY})


async def send(reach: Reach, delivery: Claimed, **config: Any) -> Outcome:
    [outcome] = await StripeMeter().send(reach, to(**config), [delivery])
    return outcome


async def after(reach: Reach, *earlier: Earlier, recipients: int = 3, accepted_at: datetime | None = None) -> Claimed:
    """A delivery whose attempts before are these."""
    delivery = event("notification.created", {"title": "A"}, recipients=recipients, accepted_at=accepted_at or datetime.now(UTC))
    for one in earlier:
        delivery = await following(reach, delivery, one)
    return delivery


async def following(reach: Reach, delivery: Claimed, ended: Earlier) -> Claimed:
    """Its next attempt, when this one ended so."""
    await reach.pool.execute(
        """INSERT INTO attempts (delivery, number, project, destination, worker, started_at, outcome, reason, status)
        VALUES ($1, $2, 1, 1, 'test', $3, $4, $5, $6)""",
        delivery.id, delivery.number, ended.started_at, ended.outcome, ended.reason, ended.status,
    )  # fmt: skip
    return msgspec.structs.replace(delivery, number=delivery.number + 1)


def ago(outcome: str | None, reason: str | None, status: int | None = None, *, hours: float = 1) -> Earlier:
    return Earlier(datetime.now(UTC) - timedelta(hours=hours), outcome, reason, status)


async def test_what_was_sent_is_metered_by_its_recipients(reach: Reach, service: Stripe) -> None:
    delivery = sent(1204)
    assert (await send(reach, delivery)).kind == "delivered"
    assert service.events[delivery.id] == {
        "event_name": "notifications_sent",
        "payload[stripe_customer_id]": CUSTOMER,
        "payload[value]": "1204",
        "identifier": delivery.id,
        "timestamp": str(int(delivery.accepted_at.timestamp())),
    }
    assert service.asked == [delivery.id]


async def test_a_large_audience_is_metered_by_what_is_kept_of_it(reach: Reach, service: Stripe) -> None:
    delivery = event("notification.created", {"title": "A"}, internal='{"recipients": 90000}')
    assert (await send(reach, delivery)).kind == "delivered"
    assert service.events[delivery.id]["payload[value]"] == "90000"


@pytest.mark.parametrize(
    ("delivery", "reason"),
    [
        (marked("read", "anna"), "not_metered"),
        (event("notification.created", None), "expired"),
        (event("notification.created", {"title": "A"}), "not_counted"),
    ],
)
async def test_what_is_not_metered(reach: Reach, service: Stripe, delivery: Claimed, reason: str) -> None:
    outcome = await send(reach, delivery)
    assert (outcome.kind, outcome.reason) == ("refused", reason)
    assert not service.asked


async def test_an_event_that_stripe_has_is_delivered(reach: Reach, service: Stripe) -> None:
    """The first attempt arrived and its answer was lost; so is what Stripe kept of its key."""
    delivery = await after(reach, ago("retry", "timed_out_answer"))
    service.events[delivery.id] = {"identifier": delivery.id}
    outcome = await send(reach, delivery)
    assert (outcome.kind, outcome.reason) == ("delivered", "known")
    assert len(service.events) == 1


async def test_a_lost_answer_is_asked_for_again_with_the_same_key(reach: Reach, service: Stripe) -> None:
    delivery = await after(reach)
    service.is_silent = True
    assert (await send(reach, delivery)).kind == "retry"
    service.is_silent = False
    assert (await send(reach, await following(reach, delivery, ago("retry", "broken_answer")))).reason == "http_200"
    assert service.asked == [delivery.id] * 2
    assert len(service.events) == 1


async def test_a_failure_that_stripe_repeats_for_its_key_is_overcome(reach: Reach, service: Stripe) -> None:
    service.fault = error(500, "An unknown error occurred", "api_error")
    delivery = await after(reach)
    assert (await send(reach, delivery)).kind == "retry"
    service.fault = None
    assert (await send(reach, await following(reach, delivery, ago("retry", "http_500", 500)))).kind == "delivered"
    assert service.asked == [delivery.id, f"{delivery.id}-1"]


async def test_what_may_have_arrived_a_day_ago_is_not_sent_again(reach: Reach, service: Stripe) -> None:
    delivery = await after(reach, ago("lost", "worker_lost", hours=25))
    outcome = await send(reach, delivery)
    assert (outcome.kind, outcome.reason) == ("unknown", TO_DECIDE)
    assert not service.events
    assert not service.asked


@pytest.mark.parametrize(
    ("others", "words"), [((), "the meter shows 0"), ((2,), "the meter shows 2"), ((3,), "may be part of"), ((1, 7), "may be part of")]
)
async def test_whoever_decides_is_told_what_the_meter_shows(reach: Reach, service: Stripe, others: Sequence[int], words: str) -> None:
    accepted_at = datetime.now(UTC) - timedelta(hours=26)
    for value in others:
        await send(reach, await after(reach, recipients=value, accepted_at=accepted_at))
    outcome = await send(reach, await after(reach, ago("retry", "timed_out_body", hours=25), accepted_at=accepted_at), meter=METER)
    assert outcome.kind == "unknown"
    assert words in outcome.detail
    assert ("it has not arrived" in outcome.detail) == (sum(others) < 3)
    assert len(service.events) == len(others)


async def test_a_meter_that_cannot_be_read_is_no_failure(reach: Reach, service: Stripe) -> None:
    outcome = await send(reach, await after(reach, ago("lost", "worker_lost", hours=25)), meter="mtr_other")
    assert outcome.kind == "unknown"
    assert "could not be read" in outcome.detail


async def test_what_a_person_decided_is_sent(reach: Reach, service: Stripe) -> None:
    delivery = await after(reach, ago("lost", "worker_lost", hours=25), ago("unknown", TO_DECIDE, hours=2))
    assert (await send(reach, delivery)).kind == "delivered"
    assert delivery.id in service.events


async def test_a_replay_bills_nothing_anew(reach: Reach, service: Stripe) -> None:
    delivery = await after(reach, ago("delivered", "http_200", 200, hours=700))
    assert (await send(reach, delivery)).reason == "known"
    assert not service.asked


@pytest.mark.parametrize(
    ("earlier", "standing"),
    [
        ([], "send"),
        ([ago("lost", "worker_lost", hours=23)], "send"),
        ([ago("lost", "worker_lost", hours=24)], "to_decide"),
        ([ago(None, None, hours=24)], "to_decide"),
        ([ago("retry", "http_500", 500, hours=24)], "to_decide"),
        ([ago("retry", "internal", hours=24)], "to_decide"),
        ([ago("retry", "timed_out_answer", hours=24), ago("retry", "http_503", 503)], "to_decide"),
        ([ago("retry", "unauthorized", 401, hours=240)], "send"),
        ([ago("retry", "not_connected", hours=240)], "send"),
        ([ago("retry", "timed_out_connect", hours=240)], "send"),
        ([ago("lost", "worker_lost", hours=240), ago("unknown", TO_DECIDE, hours=30)], "send"),
        ([ago("lost", "worker_lost", hours=240), ago("unknown", TO_DECIDE, hours=30), ago("lost", "worker_lost", hours=1)], "to_decide"),
        ([ago("delivered", "http_200", 200, hours=240), ago("lost", "worker_lost", hours=100)], "metered"),
    ],
)  # fmt: skip
def test_whether_it_may_be_sent(earlier: list[Earlier], standing: str) -> None:
    assert standing_of(earlier, datetime.now(UTC)) == standing


def test_the_own_schedule_ends_before_stripe_forgets() -> None:
    assert timedelta(seconds=sum(SCHEDULE) * 1.2) < KNOWN_FOR


@pytest.mark.parametrize(
    ("earlier", "key"),
    [
        ([], "id"),
        ([ago("retry", "timed_out_answer")], "id"),
        ([ago("retry", "http_500", 500), ago("lost", "worker_lost")], "id-1"),
        ([ago("retry", "http_500", 500), ago("retry", "http_409", 409)], "id-2"),
    ],
)
def test_a_key_is_kept_until_it_was_answered(earlier: list[Earlier], key: str) -> None:
    assert idempotency_key("id", earlier) == key


@pytest.mark.parametrize(
    ("answer", "kind", "reason"),
    [
        (error(400, "No active meter found"), "refused", "http_400"),
        (error(400, "duplicate", code="duplicate_meter_event"), "delivered", "known"),
        (error(400, "Keys for idempotent requests", "idempotency_error"), "retry", "http_400"),
        (error(401, "Invalid API Key provided: rk_test_****"), "retry", "unauthorized"),
        (error(403, "The provided key does not have the required permissions"), "retry", "unauthorized"),
        (error(404, "No such customer", code="resource_missing"), "retry", "http_404"),
        (error(409, "There is currently another in-progress request"), "retry", "http_409"),
        (error(429, "Too many requests", code="rate_limit"), "retry", "http_429"),
        (error(500, "An unknown error occurred", "api_error"), "retry", "http_500"),
        (web.Response(status=502, body=b"<html>Bad gateway</html>"), "retry", "http_502"),
        (web.Response(status=400, body=b"no JSON"), "refused", "http_400"),
    ],
)  # fmt: skip
async def test_what_answers_mean(reach: Reach, service: Stripe, answer: web.Response, kind: str, reason: str) -> None:
    service.fault = answer
    outcome = await send(reach, sent())
    assert (outcome.kind, outcome.reason) == (kind, reason)
    assert outcome.slow_down == (answer.status in (429, 502))


async def test_a_wrong_key_is_refused_and_not_shown(reach: Reach, service: Stripe) -> None:
    there = destination("stripe_meter", {"event_name": "notifications_sent", "customer": CUSTOMER}, {"key": "rk_test_other"})
    [outcome] = await StripeMeter().send(reach, there, [sent()])
    assert outcome.reason == "unauthorized"
    assert "rk_test_other" not in repr(outcome)


@pytest.mark.parametrize("at", [NOW, NOW + timedelta(seconds=59.9)])
def test_a_minute_is_whole(at: datetime) -> None:
    assert minute_of(at) == (int(NOW.timestamp()), int(NOW.timestamp()) + 60)


@pytest.mark.parametrize("key", ["sk_live_123456", "pk_live_123456", "whsec_123456"])
def test_a_key_that_may_more_is_refused(key: str) -> None:
    config = StripeMeterConfig(event_name="notifications_sent", customer=CUSTOMER)
    StripeMeter().check(config, StripeMeterCredentials(key=KEY), ALLOWING)
    with pytest.raises(Invalid) as refused:
        StripeMeter().check(config, StripeMeterCredentials(key=key), ALLOWING)
    assert refused.value.field == "credentials.key"


async def test_the_server_of_these_tests_takes_what_stripes_own_library_sends(reach: Reach, service: Stripe) -> None:
    theirs = stripe.StripeClient(KEY, base_addresses={"api": service.url}, max_network_retries=0)
    at = datetime.now(UTC) - timedelta(hours=2)
    payload = {"stripe_customer_id": CUSTOMER, "value": "5"}
    params: Any = {"event_name": "notifications_sent", "payload": payload, "identifier": "theirs", "timestamp": int(at.timestamp())}
    await asyncio.to_thread(theirs.v1.billing.meter_events.create, params)
    await send(reach, await after(reach, recipients=5, accepted_at=at))
    one, other = service.events.values()
    assert one | {"identifier": ""} == other | {"identifier": ""}
    start, end = minute_of(at)
    listed = await asyncio.to_thread(
        theirs.v1.billing.meters.event_summaries.list, METER, {"customer": CUSTOMER, "start_time": start, "end_time": end}
    )
    assert listed.data[0].aggregated_value == 10
