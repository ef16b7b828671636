"""Mixpanel, against a server that imports what it would, and names what it does not."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from connectors.far_end import PUBLIC, FarEnd, Got, destination, far_end, reaching
from connectors.telling import NOTIFICATION, basic, marked, send, sent
from tidings.deliveries.connectors.connector import Destination, Reach
from tidings.deliveries.connectors.mixpanel import connector as mixpanel_connector
from tidings.deliveries.connectors.mixpanel.connector import Mixpanel, MixpanelConfig, MixpanelCredentials
from tidings.errors import Invalid

TOKEN = "0123456789abcdef0123456789abcdef"
# https://docs.mixpanel.com/reference/import-events: values that show a mistake.
NOBODY = {"anon", "anonymous", "nil", "none", "null", "n/a", "undefined", "unknown", "0", "-1", "true", "false"}


@dataclass
class Import:
    """By https://docs.mixpanel.com/reference/import-events and …/troubleshooting/errors/400-bad-request. events: by `$insert_id`."""

    events: dict[str, Any] = field(default_factory=dict)

    def judge(self, got: Got) -> web.Response:
        if got.path != "/import" or got.query.get("strict") != "1":
            return web.json_response({"code": 404}, status=404)
        who = basic(got.headers["authorization"])
        if who != (TOKEN, "") and (who != ("tidings.1234.mp-service-account", "s3cret") or got.query.get("project_id") != "2195193"):
            return web.json_response({"code": 401, "error": "Unauthorized", "status": "Unauthorized"}, status=401)
        batch = json.loads(got.body)
        if len(batch) > 2000 or len(got.body) > 2_097_152:
            return web.json_response({"code": 413, "error": "request exceeds max limit of 2097152 bytes"}, status=413)
        failed = []
        for index, one in enumerate(batch):
            own = one["properties"]
            if own["distinct_id"].lower() in NOBODY:
                message = "'properties.distinct_id' is invalid: must not be one of the disallowed values"
                failed.append({"index": index, "insert_id": own["$insert_id"], "field": "properties.distinct_id", "message": message})
            else:
                assert len(own["$insert_id"]) <= 36 and abs(own["time"] / 1000 - datetime.now(UTC).timestamp()) < 3600
                self.events[own["$insert_id"]] = one
        imported = len(batch) - len(failed)
        if not failed:
            return web.json_response({"code": 200, "num_records_imported": imported, "status": "OK"})
        error = "some data points in the request failed validation"
        return web.json_response(
            {"code": 400, "error": error, "status": "Bad Request", "num_records_imported": imported, "failed_records": failed}, status=400
        )


@pytest.fixture
def imported() -> Import:
    return Import()


@pytest.fixture
async def mixpanel(imported: Import, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FarEnd]:
    async with far_end(imported.judge) as service:
        monkeypatch.setitem(mixpanel_connector.URLS, "us", service.url + "/import")
        yield service


@pytest.fixture
async def reach() -> AsyncIterator[Reach]:
    async with reaching() as reach:
        yield reach


def to(secrets: dict[str, str] | None = None, **config: Any) -> Destination:
    return destination("mixpanel", config, secrets or {"token": TOKEN})


async def test_two_thousand_go_together_and_what_comes_twice_is_one(reach: Reach, mixpanel: FarEnd, imported: Import) -> None:
    deliveries = [sent(7), *(marked("seen", f"person-{number}") for number in range(1999))]
    for _ in range(2):
        outcomes = await send(Mixpanel(), reach, to(), *deliveries)
        assert {outcome.kind for outcome in outcomes} == {"delivered"}
    assert len(mixpanel.got) == 2
    assert len(imported.events) == 2000
    first = imported.events[deliveries[0].id]
    assert first["event"] == "Notification Sent"
    assert first["properties"].items() >= {"distinct_id": "", "recipients": 7, "notification_id": NOTIFICATION}.items()
    assert imported.events[deliveries[1].id]["properties"]["distinct_id"] == "person-0"


async def test_each_delivery_gets_its_own_outcome(reach: Reach, mixpanel: FarEnd, imported: Import) -> None:
    deliveries = [sent(), marked("read", "null"), marked("read", "anna"), marked("read", "N/A")]
    outcomes = await send(Mixpanel(), reach, to(), *deliveries)
    assert [outcome.kind for outcome in outcomes] == ["delivered", "refused", "delivered", "refused"]
    assert outcomes[1].reason == "invalid_event"
    assert "properties.distinct_id" in outcomes[1].detail
    assert imported.events.keys() == {deliveries[0].id, deliveries[2].id}


@pytest.mark.parametrize(
    ("status", "body", "kinds", "reason"),
    [
        (200, {"code": 200, "num_records_imported": 2}, ["delivered", "delivered"], "http_200"),
        (400, {"failed_records": [{"index": 0}], "num_records_imported": 1}, ["refused", "delivered"], "imported"),
        (400, {"failed_records": [{"index": 0}], "num_records_imported": 0}, ["refused", "retry"], "http_400"),
        (400, {"failed_records": [{"index": 9}], "num_records_imported": 1}, ["retry", "retry"], "http_400"),
        (400, {"error": "project_id is not a number"}, ["refused", "refused"], "http_400"),
        (400, "no JSON", ["refused", "refused"], "http_400"),
        (401, {}, ["retry", "retry"], "unauthorized"),
        (413, {}, ["refused", "refused"], "http_413"),
        (429, {}, ["retry", "retry"], "http_429"),
        (502, "", ["retry", "retry"], "http_502"),
    ],
)
async def test_what_answers_mean(reach: Reach, mixpanel: FarEnd, status: int, body: Any, kinds: list[str], reason: str) -> None:
    mixpanel.answer(status, body)
    outcomes = await send(Mixpanel(), reach, to(), sent(), sent())
    assert [outcome.kind for outcome in outcomes] == kinds
    assert outcomes[1].reason == reason


async def test_a_service_account_names_its_project(reach: Reach, mixpanel: FarEnd, imported: Import) -> None:
    account = {"username": "tidings.1234.mp-service-account", "secret": "s3cret"}
    [outcome] = await send(Mixpanel(), reach, to(account, project_id="2195193"), sent())
    assert outcome.kind == "delivered"
    [other] = await send(Mixpanel(), reach, to(account, project_id="1"), sent())
    assert (other.kind, other.reason) == ("retry", "unauthorized")


async def test_an_attempt_without_an_answer_is_made_again(reach: Reach, mixpanel: FarEnd) -> None:
    mixpanel.is_silent = True
    assert [outcome.kind for outcome in await send(Mixpanel(), reach, to(), sent(), sent())] == ["retry"] * 2


@pytest.mark.parametrize(
    ("credentials", "project_id", "named"),
    [
        ({"token": TOKEN}, None, None),
        ({"username": "a", "secret": "b"}, "1", None),
        ({}, None, "credentials"),
        ({"username": "a"}, "1", "credentials"),
        ({"token": TOKEN, "username": "a", "secret": "b"}, "1", "credentials"),
        ({"token": TOKEN, "secret": "b"}, None, "credentials"),
        ({"username": "a", "secret": "b"}, None, "config.project_id"),
    ],
)
def test_one_way_to_sign_in(credentials: dict[str, str], project_id: str | None, named: str | None) -> None:
    arguments = MixpanelConfig(project_id=project_id), MixpanelCredentials(**credentials), PUBLIC
    if named is None:
        Mixpanel().check(*arguments)
        return
    with pytest.raises(Invalid) as refused:
        Mixpanel().check(*arguments)
    assert refused.value.field == named
