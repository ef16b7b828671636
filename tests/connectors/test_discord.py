"""Discord, against a server that takes what a webhook takes."""

import json
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import Any

import pytest
from aiohttp import web

from connectors.far_end import ALLOWING, BASE_URL, PUBLIC, FarEnd, Got, claimed, destination, far_end, is_in, reaching, seconds_until
from tidings.deliveries.connectors.connector import Reach
from tidings.deliveries.connectors.discord.connector import Discord, DiscordConfig, DiscordCredentials
from tidings.deliveries.connectors.discord.message import escaped
from tidings.deliveries.ledger.outcome import Outcome
from tidings.errors import Invalid
from tidings.outbound.networks import Policy

PATH = "/api/webhooks/1234567890/abc-DEF_123"


def judge(got: Got) -> web.Response:
    """By https://docs.discord.com/developers/resources/webhook#execute-webhook and …/message#embed-object-embed-limits."""
    if got.path != PATH:
        return web.json_response({"message": "Unknown Webhook", "code": 10015}, status=404)
    if not got.headers["user-agent"].startswith("DiscordBot (") or got.headers["content-type"] != "application/json":
        return web.json_response({"message": "blocked", "code": 40333}, status=403)
    message = json.loads(got.body)
    if list(faults_of(message)):
        return web.json_response({"message": "Invalid Form Body", "code": 50035, "errors": {}}, status=400)
    if got.query.get("wait") != "true":
        return web.Response(status=204)
    limits = {"X-RateLimit-Limit": "5", "X-RateLimit-Remaining": "4", "X-RateLimit-Reset-After": "2.0"}
    return web.json_response({"id": "1", "type": 0, "webhook_id": "1234567890"}, headers=limits)


def faults_of(message: dict[str, Any]) -> Iterator[str]:
    if not set(message) <= {"embeds", "allowed_mentions"} or len(message["embeds"]) != 1:
        yield "message"
    [embed] = message["embeds"]
    if not set(embed) <= {"title", "description", "url", "timestamp", "footer"}:
        yield "embed"
    datetime.fromisoformat(embed["timestamp"])
    footer = embed.get("footer", {"text": ""})["text"]
    lengths = [length(embed.get("title", "")), length(embed.get("description", "")), length(footer)]
    if not all(each <= most for each, most in zip(lengths, (256, 4096, 2048), strict=True)) or sum(lengths) > 6000:
        yield "length"
    if not (url := embed.get("url", "https://x")).startswith(("http://", "https://")) or len(url) > 2048 or not url.isascii():
        yield "url"


def length(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


@pytest.fixture
async def discord() -> AsyncIterator[FarEnd]:
    async with far_end(judge) as service:
        yield service


@pytest.fixture(scope="module")
async def reach() -> AsyncIterator[Reach]:
    async with reaching() as reach:
        yield reach


async def send(reach: Reach, discord: FarEnd, config: dict[str, Any] | None = None, query: str = "", **notification: Any) -> Outcome:
    there = destination("discord", config or {}, {"url": discord.url + PATH + query})
    [outcome] = await Discord().send(reach, there, [claimed(**notification)])
    return outcome


async def test_a_notification_is_an_embed_that_pings_nobody(reach: Reach, discord: FarEnd) -> None:
    config = {"link_base": "https://app.example.com"}
    outcome = await send(reach, discord, config, title="Ready", body="@everyone 1,204 rows", url="/exports/17", category="exports")
    assert (outcome.kind, outcome.status, outcome.slow_down) == ("delivered", 200, False)
    message = discord.got[0].json
    assert message["allowed_mentions"] == {"parse": []}
    assert message["embeds"] == [
        {
            "title": "Ready",
            "description": "@everyone 1,204 rows",
            "url": "https://app.example.com/exports/17",
            "footer": {"text": "exports"},
            "timestamp": "2026-11-25T12:00:00Z",
        }
    ]
    assert discord.got[0].headers["user-agent"].startswith(f"DiscordBot ({BASE_URL}, ")


async def test_a_thread_stays_in_the_url(reach: Reach, discord: FarEnd) -> None:
    assert (await send(reach, discord, query="?thread_id=42")).kind == "delivered"
    assert discord.got[0].query == {"thread_id": "42", "wait": "true"}


async def test_without_a_body_there_is_no_description(reach: Reach, discord: FarEnd) -> None:
    assert (await send(reach, discord, body=" ")).kind == "delivered"
    assert "description" not in discord.got[0].json["embeds"][0]


@pytest.mark.parametrize("sign", ["x", "*", "👋", "é", "# ", "<"])
async def test_long_texts_are_cut_to_what_discord_takes(reach: Reach, discord: FarEnd, sign: str) -> None:
    assert (await send(reach, discord, title=(sign * 400)[:400], body=(sign * 5000)[:5000], url="/" + "x" * 1999)).kind == "delivered"
    embed = discord.got[0].json["embeds"][0]
    assert embed["title"].endswith("…")
    assert embed["description"].endswith("…")
    assert length(embed["description"]) > 4090


async def test_a_link_longer_than_discord_takes_is_left_out(reach: Reach, discord: FarEnd) -> None:
    assert (await send(reach, discord, url="https://app.example.com/" + "ä" * 1900)).kind == "delivered"
    assert "url" not in discord.got[0].json["embeds"][0]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("2 * 3 * 4 = 24", r"2 \* 3 \* 4 = 24"),
        ("snake_case ~x~ `y` |z|", r"snake\_case \~x\~ \`y\` \|z\|"),
        ("[here](https://evil.example/a_b)", r"\[here\](https://evil.example/a_b)"),
        ("# big\n  > said\n- item", "\\# big\n  \\> said\n\\- item"),
        ("<@123> <:x:1> a-b #5", r"\<@123> \<:x:1> a-b #5"),
        ("C:\\new", r"C:\\new"),
    ],
)
def test_markdown_is_shown_as_it_is_written(text: str, written: str) -> None:
    assert escaped(text) == written


async def test_the_wait_is_the_one_in_the_body(reach: Reach, discord: FarEnd) -> None:
    limited = {"message": "You are being rate limited.", "retry_after": 120.57, "global": False}
    discord.answer(429, limited, Retry_After="999", X_RateLimit_Reset_After="888", X_RateLimit_Scope="shared")
    outcome = await send(reach, discord)
    assert (outcome.kind, outcome.reason, outcome.slow_down) == ("retry", "http_429", True)
    assert is_in(outcome, 120.57)


async def test_where_cloudflare_answers_it_is_the_one_in_the_header(reach: Reach, discord: FarEnd) -> None:
    discord.answer(429, "<html>error 1015</html>", Retry_After="300")
    outcome = await send(reach, discord)
    assert (outcome.kind, outcome.slow_down) == ("retry", True)
    assert is_in(outcome, 300)


async def test_after_the_last_one_that_the_limit_allows_there_is_a_pause(reach: Reach, discord: FarEnd) -> None:
    discord.answer(200, {"id": "1"}, X_RateLimit_Remaining="0", X_RateLimit_Reset_After="90.5")
    outcome = await send(reach, discord)
    assert (outcome.kind, outcome.slow_down) == ("delivered", True)
    assert 30 < seconds_until(outcome.retry_after) <= 90.5


@pytest.mark.parametrize("seconds", ["soon", "nan", "1e400", ""])
async def test_a_wait_that_is_none_is_ignored(reach: Reach, discord: FarEnd, seconds: str) -> None:
    discord.answer(200, {"id": "1"}, X_RateLimit_Remaining="0", X_RateLimit_Reset_After=seconds)
    outcome = await send(reach, discord)
    assert (outcome.kind, outcome.slow_down) == ("delivered", False)


@pytest.mark.parametrize(
    ("status", "body", "kind", "reason", "is_gone"),
    [
        (400, {"message": "Invalid Form Body", "code": 50035}, "refused", "http_400", False),
        (401, {"message": "Invalid Webhook Token", "code": 50027}, "retry", "unauthorized", False),
        (403, {"message": "Missing Access", "code": 50001}, "retry", "unauthorized", False),
        (404, {"message": "Unknown Webhook", "code": 10015}, "refused", "http_404", True),
        (500, {"message": "500: Internal Server Error", "code": 0}, "retry", "http_500", False),
        (502, "<html>", "retry", "http_502", False),
        (400, b"\xff".decode("latin-1"), "refused", "http_400", False),
    ],
)
async def test_what_discords_errors_mean(
    reach: Reach, discord: FarEnd, status: int, body: Any, kind: str, reason: str, is_gone: bool
) -> None:
    discord.answer(status, body)
    outcome = await send(reach, discord)
    assert (outcome.kind, outcome.reason, outcome.is_gone, outcome.status) == (kind, reason, is_gone, status)
    if isinstance(body, dict) and body["code"]:
        assert str(body["code"]) in outcome.detail


async def test_what_may_have_been_posted_is_not_posted_again(reach: Reach, discord: FarEnd) -> None:
    discord.is_silent = True
    outcome = await send(reach, discord)
    assert outcome.kind == "unknown"
    assert len(discord.got) == 1


@pytest.mark.parametrize(
    ("url", "policy"),
    [
        ("https://discord.com/api/webhooks/1/abc", PUBLIC),
        ("https://discordapp.com/api/webhooks/1/abc?thread_id=5", PUBLIC),
        ("https://canary.discord.com/api/v10/webhooks/1/abc", PUBLIC),
        ("http://127.0.0.1:8080/api/webhooks/1/abc", ALLOWING),
    ],
)
def test_discords_own_hosts_are_taken(url: str, policy: Policy) -> None:
    Discord().check(DiscordConfig(), DiscordCredentials(url), policy)


@pytest.mark.parametrize(
    ("url", "policy"),
    [
        ("https://discord.com.evil.example/api/webhooks/1/abc", PUBLIC),
        ("https://evil.discord.com/api/webhooks/1/abc", PUBLIC),
        ("https://discord.com/api/webhooks/1/abc/slack", PUBLIC),
        ("https://discord.com/api/webhooks/1", PUBLIC),
        ("https://discord.com/api/webhooks/1/../../users/@me", PUBLIC),
        ("http://discord.com/api/webhooks/1/abc", ALLOWING),
        ("http://127.0.0.1:8080/api/webhooks/1/abc", PUBLIC),
    ],
)
def test_other_urls_are_refused_by_their_field(url: str, policy: Policy) -> None:
    with pytest.raises(Invalid) as caught:
        Discord().check(DiscordConfig(), DiscordCredentials(url), policy)
    assert caught.value.field == "credentials.url"
