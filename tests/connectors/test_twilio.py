"""SMS by Twilio, against a server that takes what its Messages API takes."""

import re
from base64 import b64decode
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import pytest
from aiohttp import web

from connectors.far_end import PUBLIC, FarEnd, Got, claimed, destination, far_end, is_in, reaching
from tidings.deliveries.connectors.connector import Reach
from tidings.deliveries.connectors.twilio import connector
from tidings.deliveries.connectors.twilio.connector import Twilio, TwilioConfig, TwilioCredentials
from tidings.deliveries.connectors.twilio.phone import e164
from tidings.deliveries.ledger.outcome import Outcome
from tidings.errors import Invalid

ACCOUNT = "AC" + "0" * 32
CONFIG = {"account_sid": ACCOUNT, "from": "+15005550006"}
TOKEN = {"auth_token": "t0k3n"}
KEY = {"api_key": "SK" + "1" * 32, "api_secret": "s3cr3t"}
ALICE = {"phone": "+49 (0)30 123-456"}


def judge(got: Got) -> web.Response:
    """By https://www.twilio.com/docs/messaging/api/message-resource#create-a-message, codes by https://www.twilio.com/docs/api/errors."""
    if got.path != f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json":
        return refusal(404, 20404)
    user, _, password = b64decode(got.headers["authorization"].removeprefix("Basic ")).decode().partition(":")
    if (user, password) not in ((ACCOUNT, TOKEN["auth_token"]), (KEY["api_key"], KEY["api_secret"])):
        return refusal(401, 20003)
    form = dict(parse_qsl(got.body.decode(), strict_parsing=True))
    if got.headers["content-type"] != "application/x-www-form-urlencoded" or not set(form) <= {"To", "From", "MessagingServiceSid", "Body"}:
        return refusal(400, 20001)
    if not re.fullmatch(r"\+[1-9]\d{1,14}", form.get("To", "")):
        return refusal(400, 21211)
    if ("From" in form) == ("MessagingServiceSid" in form):
        return refusal(400, 21603)
    if not form.get("Body"):
        return refusal(400, 21602)
    if len(form["Body"].encode("utf-16-le")) // 2 > 1600:
        return refusal(400, 21617)
    return web.json_response({"sid": "SM" + "2" * 32, "status": "queued", "error_code": None}, status=201)


def refusal(status: int, code: int) -> web.Response:
    more = f"https://www.twilio.com/docs/errors/{code}"
    return web.json_response({"code": code, "message": "…", "more_info": more, "status": status}, status=status)


@pytest.fixture
async def twilio(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FarEnd]:
    async with far_end(judge) as service:
        monkeypatch.setattr(connector, "API", service.url)
        yield service


@pytest.fixture(scope="module")
async def reach() -> AsyncIterator[Reach]:
    async with reaching() as reach:
        yield reach


async def send(
    reach: Reach, config: dict[str, Any] = CONFIG, secrets: dict[str, Any] = TOKEN, to: dict[str, Any] = ALICE, **notification: Any
) -> Outcome:
    [outcome] = await Twilio().send(reach, destination("twilio", config, secrets), [claimed(to=dict(to), **notification)])
    return outcome


def form_of(got: Got) -> dict[str, str]:
    return dict(parse_qsl(got.body.decode(), strict_parsing=True))


async def test_an_sms_goes_to_the_persons_number(reach: Reach, twilio: FarEnd) -> None:
    outcome = await send(
        reach, CONFIG | {"link_base": "https://app.example.com"}, title="Ready", body="1,204 rows & Grüße", url="/exports/17"
    )
    assert (outcome.kind, outcome.status) == ("delivered", 201)
    assert form_of(twilio.got[0]) == {
        "To": "+4930123456",
        "From": "+15005550006",
        "Body": "Ready\n1,204 rows & Grüße\nhttps://app.example.com/exports/17",
    }


async def test_a_messaging_service_and_an_api_key_do_as_well(reach: Reach, twilio: FarEnd) -> None:
    service = {"account_sid": ACCOUNT, "messaging_service_sid": "MG" + "3" * 32}
    assert (await send(reach, service, KEY)).kind == "delivered"
    assert form_of(twilio.got[0]) == {"To": "+4930123456", "MessagingServiceSid": "MG" + "3" * 32, "Body": "Your export is ready"}


@pytest.mark.parametrize("sign", ["x", "👋", "é"])
async def test_long_texts_are_cut_before_the_link(reach: Reach, twilio: FarEnd, sign: str) -> None:
    assert (await send(reach, body=sign * 4000, url="https://app.example.com/17")).kind == "delivered"
    text = form_of(twilio.got[0])["Body"]
    assert text.endswith(f"{sign}…\nhttps://app.example.com/17")
    assert len(text.encode("utf-16-le")) // 2 > 1595


async def test_a_link_that_leaves_no_room_is_left_out(reach: Reach, twilio: FarEnd) -> None:
    assert (await send(reach, body="1,204 rows", url="https://app.example.com/" + "x" * 1900)).kind == "delivered"
    assert form_of(twilio.got[0])["Body"] == "Your export is ready\n1,204 rows"


@pytest.mark.parametrize(
    ("phone", "number"),
    [
        ("+4930123456", "+4930123456"),
        ("+49 (30) 123.456", "+4930123456"),
        ("+49 (0)30 123-456", "+4930123456"),
        ("+1 (500) 555-0006", "+15005550006"),
        ("030 123456", None),
        ("0049 30 123456", None),
        ("+0 30 123456", None),
        ("+1234567890123456", None),
        ("+", None),
        (None, None),
    ],
)
def test_a_number_is_e164_or_none(phone: str | None, number: str | None) -> None:
    assert e164(phone) == number


@pytest.mark.parametrize("to", [{"phone": "030 123456"}, {"phone": None}, {}])
async def test_without_such_a_number_nothing_is_sent(reach: Reach, twilio: FarEnd, to: dict[str, Any]) -> None:
    outcome = await send(reach, to=to)
    assert (outcome.kind, outcome.reason, twilio.got) == ("refused", "no_number", [])


@pytest.mark.parametrize(
    ("status", "code", "kind", "reason", "slow_down"),
    [
        (400, 21211, "refused", "twilio_21211", False),
        (400, 21610, "refused", "twilio_21610", False),
        (400, 21614, "refused", "twilio_21614", False),
        (400, 21408, "retry", "twilio_21408", False),
        (400, 21606, "retry", "twilio_21606", False),
        (400, 99999, "refused", "twilio_99999", False),
        (429, 20429, "retry", "twilio_20429", True),
        (429, 14107, "retry", "twilio_14107", True),
        (400, 14107, "retry", "twilio_14107", True),
        (400, 21611, "retry", "twilio_21611", True),
        (401, 20003, "retry", "unauthorized", False),
        (404, 20404, "retry", "twilio_20404", False),
        (500, 20500, "retry", "twilio_20500", False),
        (503, 20503, "retry", "twilio_20503", True),
    ],
)
async def test_what_twilios_errors_mean(
    reach: Reach, twilio: FarEnd, status: int, code: int, kind: str, reason: str, slow_down: bool
) -> None:
    twilio.answers.append(refusal(status, code))
    outcome = await send(reach)
    assert (outcome.kind, outcome.reason, outcome.slow_down, outcome.status) == (kind, reason, slow_down, status)
    assert "+49" not in outcome.detail


async def test_an_error_without_a_code_goes_by_its_status(reach: Reach, twilio: FarEnd) -> None:
    twilio.answer(503, "<html>", Retry_After="20")
    outcome = await send(reach)
    assert (outcome.kind, outcome.reason, outcome.slow_down) == ("retry", "http_503", True)
    assert is_in(outcome, 20)
    twilio.answer(403, "<html>")
    assert (await send(reach)).reason == "unauthorized"


async def test_wrong_credentials_are_told_without_them(reach: Reach, twilio: FarEnd) -> None:
    outcome = await send(reach, secrets={"auth_token": "wr0ng"})
    assert (outcome.kind, outcome.reason) == ("retry", "unauthorized")
    assert "wr0ng" not in repr(outcome)


async def test_an_sms_that_may_have_gone_out_is_unknown_and_not_sent_again(reach: Reach, twilio: FarEnd) -> None:
    twilio.is_silent = True
    outcome = await send(reach)
    assert outcome.kind == "unknown"
    assert len(twilio.got) == 1
    assert not Twilio.repeats


async def test_an_sms_that_was_never_sent_is_tried_again(twilio: FarEnd) -> None:
    async with reaching(allow=()) as nowhere:
        assert (await send(nowhere)).kind == "retry"
    assert twilio.got == []


def check(config: dict[str, Any], credentials: dict[str, Any]) -> None:
    Twilio().check(msgspec.convert(config, TwilioConfig), msgspec.convert(credentials, TwilioCredentials), PUBLIC)


@pytest.mark.parametrize("sender", ["+15005550006", "12345", "Tidings", "3 Letters"])
def test_senders(sender: str) -> None:
    check(CONFIG | {"from": sender}, TOKEN)
    check({"account_sid": ACCOUNT, "messaging_service_sid": "MG" + "3" * 32}, KEY)


@pytest.mark.parametrize(
    ("config", "credentials", "field"),
    [
        ({"account_sid": ACCOUNT}, TOKEN, "config.from"),
        (CONFIG | {"messaging_service_sid": "MG" + "3" * 32}, TOKEN, "config.from"),
        (CONFIG, {}, "credentials.auth_token"),
        (CONFIG, TOKEN | KEY, "credentials.auth_token"),
        (CONFIG, {"api_key": KEY["api_key"]}, "credentials.api_secret"),
        (CONFIG | {"link_base": "/x"}, TOKEN, "config.link_base"),
    ],
)
def test_what_does_not_go_together_is_refused_by_its_field(config: dict[str, Any], credentials: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        check(config, credentials)
    assert caught.value.field == field


@pytest.mark.parametrize(
    "config",
    [
        CONFIG | {"account_sid": "AC1/../x"},
        CONFIG | {"from": "A name too long"},
        CONFIG | {"from": "+49 30"},
        CONFIG | {"messaging_service_sid": "MG1"},
        CONFIG | {"sender": "Tidings"},
    ],
)
def test_what_is_no_sid_or_sender_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        check(config, TOKEN)
