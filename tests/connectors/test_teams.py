"""Microsoft Teams, against a server that takes what a workflow takes that posts Adaptive Cards."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from aiohttp import web

from connectors.far_end import ALLOWING, PUBLIC, FarEnd, Got, claimed, destination, far_end, is_in, reaching
from tidings.deliveries.connectors.connector import Reach
from tidings.deliveries.connectors.teams.connector import Teams, TeamsConfig, TeamsCredentials
from tidings.deliveries.ledger.outcome import Outcome
from tidings.errors import Invalid
from tidings.outbound.networks import Policy

PATH = "/powerautomate/automations/direct/workflows/0123abcd/triggers/manual/paths/invoke"
QUERY = "?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=aB3-_x"
NEW = "https://default0123.4f.environment.api.powerplatform.com:443" + PATH + QUERY
OLD = "https://prod-23.westeurope.logic.azure.com:443/workflows/0123abcd/triggers/manual/paths/invoke" + QUERY


def judge(got: Got) -> web.Response:
    """The envelope: https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using.

    The card: https://adaptivecards.io/schemas/1.4.0/adaptive-card.json. The size: https://learn.microsoft.com/connectors/teams/.
    """
    if got.path != PATH:
        return web.json_response({"error": {"code": "WorkflowNotFound", "message": "…"}}, status=404)
    if got.query != {"api-version": "1", "sp": "/triggers/manual/run", "sv": "1.0", "sig": "aB3-_x"}:
        return web.json_response({"error": {"code": "DirectApiAuthorizationRequired", "message": "…"}}, status=401)
    if len(got.body) > 21_000:
        return web.json_response({"error": {"code": "RequestEntityTooLarge", "message": "…"}}, status=413)
    message = json.loads(got.body)
    [attachment] = message["attachments"]
    if message["type"] != "message" or attachment["contentType"] != "application/vnd.microsoft.card.adaptive":
        return web.json_response({"error": {"code": "TriggerInputSchemaMismatch", "message": "…"}}, status=400)
    if list(faults_of(attachment["content"])):
        return web.json_response({"error": {"code": "InvalidCard", "message": "…"}}, status=400)
    return web.Response(status=202)


def faults_of(card: dict[str, Any]) -> Iterator[str]:
    if not set(card) <= {"$schema", "type", "version", "fallbackText", "body", "actions"}:
        yield "card"
    if (card["type"], card["version"]) != ("AdaptiveCard", "1.4"):
        yield "version"
    for element in card["body"]:
        match element:
            case {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": str(), **style}], **rest} if not rest:
                if not set(style) <= {"size", "weight", "isSubtle"}:
                    yield str(style)
                if style.get("size", "default") not in ("default", "small", "medium", "large", "extraLarge"):
                    yield "size"
                if style.get("weight", "default") not in ("default", "lighter", "bolder"):
                    yield "weight"
            case _:
                yield str(element)
    for action in card.get("actions", []):
        match action:
            case {"type": "Action.OpenUrl", "title": str(), "url": str(url), **rest} if not rest and url.startswith(
                ("http://", "https://")
            ):
                pass
            case _:
                yield str(action)


@pytest.fixture
async def teams() -> AsyncIterator[FarEnd]:
    async with far_end(judge) as service:
        yield service


@pytest.fixture(scope="module")
async def reach() -> AsyncIterator[Reach]:
    async with reaching() as reach:
        yield reach


async def send(reach: Reach, teams: FarEnd, config: dict[str, Any] | None = None, **notification: Any) -> Outcome:
    there = destination("teams", config or {}, {"url": teams.url + PATH + QUERY})
    [outcome] = await Teams().send(reach, there, [claimed(**notification)])
    return outcome


def texts(got: Got) -> list[str]:
    return [element["inlines"][0]["text"] for element in got.json["attachments"][0]["content"]["body"]]


async def test_a_notification_is_a_card(reach: Reach, teams: FarEnd) -> None:
    outcome = await send(
        reach, teams, {"link_base": "https://app.example.com"}, title="Ready", body="1,204 rows", url="/exports/17", category="exports"
    )
    assert (outcome.kind, outcome.status) == ("delivered", 202)
    assert texts(teams.got[0]) == ["Ready", "1,204 rows", "exports"]
    card = teams.got[0].json["attachments"][0]["content"]
    assert card["actions"] == [{"type": "Action.OpenUrl", "title": "Open", "url": "https://app.example.com/exports/17"}]
    assert card["fallbackText"] == "Ready"


async def test_texts_are_shown_as_they_are_written(reach: Reach, teams: FarEnd) -> None:
    tricky = "**no** _markdown_ [x](https://evil.example) <at>all</at> & Grüße 👋🏽\n- a\n- b"
    assert (await send(reach, teams, title=tricky, body=tricky)).kind == "delivered"
    assert texts(teams.got[0]) == [tricky, tricky]


async def test_without_a_body_or_a_whole_link_there_is_the_title_alone(reach: Reach, teams: FarEnd) -> None:
    assert (await send(reach, teams, body="", url="/exports/17")).kind == "delivered"
    assert texts(teams.got[0]) == ["Your export is ready"]
    assert "actions" not in teams.got[0].json["attachments"][0]["content"]


@pytest.mark.parametrize("sign", ["\x01", "👋", "\N{RIGHT-TO-LEFT OVERRIDE}"])
async def test_a_body_larger_than_teams_takes_is_cut(reach: Reach, teams: FarEnd, sign: str) -> None:
    assert (await send(reach, teams, title=sign * 200, body=sign * 8000)).kind == "delivered"
    body = texts(teams.got[0])[1]
    assert body.endswith("…")
    assert set(body) == {sign, "…"}
    assert len(teams.got[0].body) > 19_900


async def test_a_workflow_says_how_long_to_wait(reach: Reach, teams: FarEnd) -> None:
    teams.answer(429, {"error": {"code": "WorkflowRunActionsRateLimited"}}, Retry_After="40")
    outcome = await send(reach, teams)
    assert (outcome.kind, outcome.reason, outcome.slow_down) == ("retry", "http_429", True)
    assert is_in(outcome, 40)


@pytest.mark.parametrize(
    ("status", "body", "kind", "reason", "is_gone"),
    [
        (400, {"error": {"code": "TriggerInputSchemaMismatch"}}, "refused", "http_400", False),
        (400, {"error": {"code": "WorkflowTriggerIsNotEnabled"}}, "retry", "http_400", False),
        (401, {"error": {"code": "DirectApiAuthorizationRequired"}}, "retry", "unauthorized", False),
        (404, {"error": {"code": "WorkflowNotFound"}}, "refused", "http_404", True),
        (413, {"error": {"code": "RequestEntityTooLarge"}}, "refused", "http_413", False),
        (502, "<html>", "retry", "http_502", False),
        (500, {"error": "none"}, "retry", "http_500", False),
    ],
)
async def test_what_a_workflows_errors_mean(
    reach: Reach, teams: FarEnd, status: int, body: Any, kind: str, reason: str, is_gone: bool
) -> None:
    teams.answer(status, body)
    outcome = await send(reach, teams)
    assert (outcome.kind, outcome.reason, outcome.is_gone, outcome.status) == (kind, reason, is_gone, status)
    assert "sig" not in outcome.detail


async def test_what_may_have_been_posted_is_not_posted_again(reach: Reach, teams: FarEnd) -> None:
    teams.is_silent = True
    outcome = await send(reach, teams)
    assert outcome.kind == "unknown"
    assert len(teams.got) == 1


@pytest.mark.parametrize(("url", "policy"), [(NEW, PUBLIC), (OLD, PUBLIC), ("http://127.0.0.1:8080" + PATH + QUERY, ALLOWING)])
def test_hosts_of_workflows_are_taken(url: str, policy: Policy) -> None:
    Teams().check(TeamsConfig(), TeamsCredentials(url), policy)


@pytest.mark.parametrize(
    ("url", "policy", "says"),
    [
        ("https://example.webhook.office.com/webhookb2/x@y/IncomingWebhook/z/w", PUBLIC, "retired"),
        ("https://outlook.office.com/webhook/x", PUBLIC, "retired"),
        (NEW.partition("&sig")[0], PUBLIC, "signature"),
        (NEW.replace("powerplatform.com", "powerplatform.com.evil.example"), PUBLIC, "logic.azure.com"),
        ("https://logic.azure.com/workflows/x" + QUERY, PUBLIC, "logic.azure.com"),
        ("https://evillogic.azure.com/workflows/x" + QUERY, PUBLIC, "logic.azure.com"),
        ("http://127.0.0.1:8080" + PATH + QUERY, PUBLIC, "https://"),
        ("https://[x", PUBLIC, "not well formed"),
    ],
)
def test_other_urls_are_refused_by_their_field(url: str, policy: Policy, says: str) -> None:
    with pytest.raises(Invalid, match=says) as caught:
        Teams().check(TeamsConfig(), TeamsCredentials(url), policy)
    assert caught.value.field == "credentials.url"
