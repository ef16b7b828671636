"""Slack, against a server that takes what an incoming webhook takes."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from aiohttp import web

from connectors.far_end import ALLOWING, PUBLIC, FarEnd, Got, claimed, destination, far_end, is_in, reaching
from tidings.deliveries.connectors.connector import Reach
from tidings.deliveries.connectors.slack.connector import Slack, SlackConfig, SlackCredentials
from tidings.deliveries.ledger.outcome import Outcome
from tidings.errors import Invalid
from tidings.outbound.networks import Policy

PATH = "/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX"
TRICKY = "<!channel> & <@U123> <https://evil.example|click> *bold* `code` :wave: Grüße 👋🏽 ﷽ \u202e"


def judge(got: Got) -> web.Response:
    """By https://docs.slack.dev/reference/block-kit/blocks and …/block-elements/button-element, /composition-objects/text-object."""
    if got.path != PATH:
        return web.Response(status=404, text="no_service")
    if not got.headers["content-type"].startswith("application/json"):
        return web.Response(status=400, text="invalid_payload")
    try:
        message = json.loads(got.body)
    except ValueError:
        return web.Response(status=400, text="invalid_payload")
    if not message.get("text") and not message.get("blocks"):
        return web.Response(status=400, text="no_text")
    if list(faults_of(message)):
        return web.Response(status=400, text="invalid_blocks")
    return web.Response(text="ok")


def faults_of(message: dict[str, Any]) -> Iterator[str]:
    if not set(message) <= {"text", "blocks"} or len(message["text"]) > 40_000 or not 1 <= len(message["blocks"]) <= 50:
        yield "message"
    for block in message["blocks"]:
        match block:
            case {"type": "header", "text": {"type": "plain_text"} as text, **rest} if not rest:
                yield from text_faults(text, 150)
            case {"type": "section", "text": {"type": "mrkdwn" | "plain_text"} as text, **rest} if not rest:
                yield from text_faults(text, 3000)
            case {"type": "actions", "elements": [{"type": "button", "text": {"type": "plain_text"} as text, "url": url, **rest}], **more}:
                yield from text_faults(text, 75)
                if rest or more or len(url) > 3000 or not url.startswith(("http://", "https://")) or " " in url:
                    yield "button"
            case {"type": "context", "elements": [{"type": "mrkdwn" | "plain_text"} as text], **rest} if not rest:
                yield from text_faults(text, 2000)
            case _:
                yield str(block)


def text_faults(text: dict[str, Any], most: int) -> Iterator[str]:
    own = {"plain_text": {"type", "text", "emoji"}, "mrkdwn": {"type", "text", "verbatim"}}[text["type"]]
    if not set(text) <= own or not 1 <= len(text["text"].encode("utf-16-le")) // 2 <= most or not text["text"].strip():
        yield str(text)


@pytest.fixture
async def slack() -> AsyncIterator[FarEnd]:
    async with far_end(judge) as service:
        yield service


@pytest.fixture(scope="module")
async def reach() -> AsyncIterator[Reach]:
    async with reaching() as reach:
        yield reach


async def send(reach: Reach, slack: FarEnd, config: dict[str, Any] | None = None, **notification: Any) -> Outcome:
    there = destination("slack", config or {}, {"url": slack.url + PATH})
    [outcome] = await Slack().send(reach, there, [claimed(**notification)])
    return outcome


async def test_a_notification_stands_in_the_channel_with_all_it_has(reach: Reach, slack: FarEnd) -> None:
    outcome = await send(reach, slack, title="Ready", body="1,204 rows", url="https://app.example.com/exports/17", category="exports")
    assert (outcome.kind, outcome.status) == ("delivered", 200)
    header, section, actions, context = slack.got[0].json["blocks"]
    assert slack.got[0].json["text"] == header["text"]["text"] == "Ready"
    assert section["text"]["text"] == "1,204 rows"
    assert actions["elements"][0]["url"] == "https://app.example.com/exports/17"
    assert context["elements"][0]["text"] == "exports"


@pytest.mark.parametrize("body", [None, "", " \n "])
async def test_without_a_body_there_is_no_section(reach: Reach, slack: FarEnd, body: str | None) -> None:
    assert (await send(reach, slack, body=body)).kind == "delivered"
    assert [block["type"] for block in slack.got[0].json["blocks"]] == ["header"]


async def test_what_has_a_meaning_in_slack_loses_it(reach: Reach, slack: FarEnd) -> None:
    assert (await send(reach, slack, title=TRICKY, body=TRICKY, category="a:b:c")).kind == "delivered"
    message = slack.got[0].json
    header, section, context = message["blocks"]
    expected = TRICKY.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert section["text"] == {"type": "mrkdwn", "text": expected, "verbatim": True}
    assert message["text"] == expected
    assert header["text"] == {"type": "plain_text", "text": TRICKY, "emoji": False}
    assert context["elements"][0]["emoji"] is False


@pytest.mark.parametrize("sign", ["x", "&", "👋", "é", "x "])
async def test_long_texts_are_cut_to_what_slack_takes(reach: Reach, slack: FarEnd, sign: str) -> None:
    title, body = (sign * 200)[:200], (sign * 4000)[:4000]
    assert (await send(reach, slack, title=title, body=body)).kind == "delivered"
    header, section = slack.got[0].json["blocks"]
    assert header["text"]["text"].endswith("…")
    assert section["text"]["text"].endswith("…")
    # Not by more than an entity or a pair, and never through one.
    assert len(section["text"]["text"].encode("utf-16-le")) // 2 > 2990
    assert set(section["text"]["text"].removesuffix("…").replace("&amp;", "&")) == set(sign)


@pytest.mark.parametrize(
    ("url", "base", "leads_to"),
    [
        ("/exports/17?a=b c", "https://app.example.com/x/", "https://app.example.com/exports/17?a=b+c"),
        ("https://app.example.com/ä", None, "https://app.example.com/%C3%A4"),
        ("/exports/17", None, None),
        ("javascript:alert(1)", "https://app.example.com/", None),
        ("https://[x", "https://app.example.com/", None),
    ],
)
async def test_the_button_leads_to_a_whole_url_or_is_not_there(
    reach: Reach, slack: FarEnd, url: str, base: str | None, leads_to: str | None
) -> None:
    assert (await send(reach, slack, {"link_base": base}, url=url)).kind == "delivered"
    buttons = [block["elements"][0]["url"] for block in slack.got[0].json["blocks"] if block["type"] == "actions"]
    assert buttons == ([leads_to] if leads_to else [])


async def test_slack_says_how_long_to_wait(reach: Reach, slack: FarEnd) -> None:
    slack.answer(429, "rate_limited", Retry_After="30")
    outcome = await send(reach, slack)
    assert (outcome.kind, outcome.reason, outcome.slow_down) == ("retry", "rate_limited", True)
    assert is_in(outcome, 30)
    assert (await send(reach, slack)).kind == "delivered"


@pytest.mark.parametrize(
    ("status", "word", "kind", "reason", "is_gone"),
    [
        (400, "invalid_payload", "refused", "invalid_payload", False),
        (400, "invalid_blocks", "refused", "invalid_blocks", False),
        (403, "action_prohibited", "retry", "action_prohibited", False),
        (403, "invalid_token", "retry", "invalid_token", False),
        (403, "", "retry", "unauthorized", False),
        (404, "no_service", "refused", "no_service", True),
        (404, "channel_not_found", "refused", "channel_not_found", True),
        (410, "channel_is_archived", "refused", "channel_is_archived", True),
        (413, "", "refused", "http_413", False),
        (500, "rollup_error", "retry", "rollup_error", False),
        (503, "<html>", "retry", "http_503", False),
        (302, "", "retry", "http_302", False),
    ],
)
async def test_what_slacks_errors_mean(reach: Reach, slack: FarEnd, status: int, word: str, kind: str, reason: str, is_gone: bool) -> None:
    slack.answer(status, word)
    outcome = await send(reach, slack)
    assert (outcome.kind, outcome.reason, outcome.is_gone, outcome.status) == (kind, reason, is_gone, status)
    assert PATH not in outcome.detail


async def test_what_may_have_been_posted_is_not_posted_again(reach: Reach, slack: FarEnd) -> None:
    slack.is_silent = True
    outcome = await send(reach, slack)
    assert outcome.kind == "unknown"
    assert len(slack.got) == 1
    assert not Slack.repeats


async def test_what_was_never_sent_is_tried_again(slack: FarEnd) -> None:
    async with reaching(allow=()) as nowhere:
        outcome = await send(nowhere, slack)
    assert (outcome.kind, outcome.reason, slack.got) == ("retry", "blocked", [])


async def test_what_has_expired_is_not_sent(reach: Reach, slack: FarEnd) -> None:
    outcome = await send(reach, slack, expires_at="2020-01-01T00:00:00Z")
    assert (outcome.kind, outcome.reason, slack.got) == ("refused", "expired", [])


@pytest.mark.parametrize(
    ("url", "policy"),
    [
        ("https://hooks.slack.com/services/T0/B0/x", PUBLIC),
        ("https://hooks.slack-gov.com/services/T0/B0/x", PUBLIC),
        ("https://HOOKS.slack.com:443/services/T0/B0/x", PUBLIC),
        ("http://127.0.0.1:8080/services/T0/B0/x", ALLOWING),
    ],
)
def test_slacks_own_hosts_are_taken(url: str, policy: Policy) -> None:
    Slack().check(SlackConfig(), SlackCredentials(url), policy)


@pytest.mark.parametrize(
    ("url", "policy"),
    [
        ("https://hooks.slack.com.evil.example/services/T0/B0/x", PUBLIC),
        ("https://evil.example/services/T0/B0/x", ALLOWING),
        ("https://slack.com/services/T0/B0/x", PUBLIC),
        ("https://hooks.slack.com/triggers/T0/1/x", PUBLIC),
        ("https://hooks.slack.com:22/services/T0/B0/x", ALLOWING),
        ("http://hooks.slack.com/services/T0/B0/x", ALLOWING),
        ("https://x@hooks.slack.com/services/T0/B0/x", PUBLIC),
        ("http://127.0.0.1:8080/services/T0/B0/x", PUBLIC),
        ("http://10.0.0.1/services/T0/B0/x", ALLOWING),
        ("hooks.slack.com", PUBLIC),
        ("", PUBLIC),
    ],
)
def test_other_urls_are_refused_by_their_field(url: str, policy: Policy) -> None:
    with pytest.raises(Invalid) as caught:
        Slack().check(SlackConfig(), SlackCredentials(url), policy)
    assert caught.value.field == "credentials.url"
    assert "/T0/" not in caught.value.detail


@pytest.mark.parametrize("base", ["/app", "app.example.com", "ftp://x.example", "https://", ""])
def test_a_base_of_links_is_a_whole_url(base: str) -> None:
    with pytest.raises(Invalid) as caught:
        Slack().check(SlackConfig(base), SlackCredentials("https://hooks.slack.com/services/T0/B0/x"), PUBLIC)
    assert caught.value.field == "config.link_base"
