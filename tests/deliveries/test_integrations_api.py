"""Integrations over HTTP: checked by their connector, their credentials sealed, switched as endpoints are."""

from typing import Any

import msgspec
import pytest

from deliveries.conftest import Deliveries
from deliveries.pretended import Pretended
from tidings.deliveries.connectors.halts import halt, resume
from tidings.deliveries.connectors.registry import CONNECTORS
from tidings.deliveries.lanes.report import report
from tidings.deliveries.ledger.channels import Channel
from tidings.deliveries.ledger.outcome import Outcome
from tidings.deliveries.ledger.wanted import Wishes
from tidings.vault import Place

CONFIG = {"url": "https://mail.example.com/send"}
CREDENTIALS = {"token": "very-secret-token"}


@pytest.fixture(autouse=True)
def connectors(monkeypatch: pytest.MonkeyPatch) -> None:
    channels: dict[str, Channel] = {"post": "email", "letters": "email", "room": "chat", "facts": "analytics"}
    for name, channel in channels.items():
        monkeypatch.setitem(CONNECTORS, name, Pretended(name, channel))


async def integration(api: Deliveries, connector: str = "post", **fields: Any) -> Any:
    body = {"connector": connector, "config": CONFIG, "credentials": CREDENTIALS} | fields
    return await api.ok("POST", "/v1/integrations", body)


async def sealed(api: Deliveries, key: str) -> Any:
    async with api.database.system.acquire() as connection:
        kept = await connection.fetchval("SELECT secrets FROM destinations WHERE key = $1", key)
        return msgspec.json.decode(await api.vault.open(connection, api.tenant.id, Place("destinations", key, "secrets"), kept))


async def test_an_integration_is_made_with_its_lane_and_sealed_credentials(api: Deliveries) -> None:
    made = await integration(api, description="Letters", rate=0.1, at_once=5, schedule=[1, 60])
    assert made["id"].startswith("int_") and (made["connector"], made["channel"], made["state"]) == ("post", "email", "enabled")
    assert (made["rate"], made["at_once"], made["schedule"], made["config"]) == (0.1, 5, [1, 60], CONFIG | {"options": {}})
    assert (made["events"], made["in_use"]) == (None, True)
    shown = await api.ok("GET", f"/v1/integrations/{made['id']}")
    assert shown == made | {"waiting": {"pending": 0, "held": 0}, "last_failure": None}
    assert await sealed(api, made["id"]) == CREDENTIALS | {"kind": "robot"}
    lane = await api.lane(made["id"])
    assert (lane["connector"], lane["paused"]) == ("post", False)
    [event] = await api.outbox()
    assert (event.type, msgspec.json.decode(event.data)) == ("integration.created", {"id": made["id"]})


async def test_no_answer_shows_credentials(api: Deliveries) -> None:
    body = {"connector": "post", "config": CONFIG, "credentials": CREDENTIALS}
    first = await api("POST", "/v1/integrations", body, Idempotency_Key="once")
    again = await api("POST", "/v1/integrations", body, Idempotency_Key="once")
    assert (first.status_code, again.headers["Idempotency-Replayed"], again.json()) == (201, "true", first.json())
    made = first.json()["id"]
    answers = [first, await api("GET", "/v1/integrations"), await api("GET", f"/v1/integrations/{made}")]
    answers.append(await api("PATCH", f"/v1/integrations/{made}", {"credentials": {"token": "very-secret-other"}}))
    answers.append(await api("POST", f"/v1/integrations/{made}/disable"))
    answers.append(await api("POST", "/v1/integrations", body | {"credentials": CREDENTIALS | {"kind": "very-secret-kind"}}))
    answers.append(await api("POST", "/v1/integrations", body | {"credentials": {"token": ["very-secret"]}}))
    assert [answer.status_code for answer in answers] == [201, 200, 200, 200, 200, 422, 422]
    assert not [answer.text for answer in answers if "very-secret" in answer.text]
    [kept] = await api.database.system.fetch("SELECT config::text, secrets FROM destinations WHERE key = $1", made)
    assert b"very-secret" not in kept["secrets"] and "very-secret" not in kept["config"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"connector": "pigeon"}, "connector"),
        ({"connector": "webhook"}, "connector"),
        ({"config": {}}, "config.url"),
        ({"config": {"url": 5}}, "config.url"),
        ({"config": CONFIG | {"port": 25}}, "config.port"),
        ({"config": CONFIG | {"options": {"a": 1}}}, "config.options[]"),
        ({"config": {"url": "https://10.0.0.1/"}}, "config.url"),
        ({"config": CONFIG | {"options": {"as": "user"}}}, "config.options"),
        ({"config": None}, "config"),
        ({"credentials": {}}, "credentials.token"),
        ({"credentials": {"token": "short"}}, "credentials.token"),
        ({"credentials": CREDENTIALS | {"kind": "god"}}, "credentials.kind"),
        ({"credentials": CREDENTIALS | {"more": 1}}, "credentials.more"),
        ({"events": ["inbox.read"]}, "events"),
        ({"connector": "facts", "events": ["order.paid"]}, "events[0]"),
        ({"rate": 0}, "rate"),
        ({"order_by": "id"}, "order_by"),
    ],
)
async def test_a_wrong_member_is_named(api: Deliveries, fields: dict[str, Any], field: str) -> None:
    answer = await api("POST", "/v1/integrations", {"connector": "post", "config": CONFIG, "credentials": CREDENTIALS} | fields)
    assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text
    assert (await api.ok("GET", "/v1/integrations"))["items"] == []


async def test_analytics_get_events_by_a_filter(api: Deliveries) -> None:
    assert (await integration(api, "facts"))["events"] == ["notification.*", "inbox.*", "delivery.*"]
    made = await integration(api, "facts", events=["inbox.read"])
    changed = await api.ok("PATCH", f"/v1/integrations/{made['id']}", {"events": ["integration.*", "inbox.read"]})
    assert changed["events"] == ["integration.*", "inbox.read"]
    room = await integration(api, "room")
    answer = await api("PATCH", f"/v1/integrations/{room['id']}", {"events": ["inbox.read"]})
    assert (answer.status_code, answer.json()["field"]) == (422, "events")


async def test_a_patch_merges_members_and_checks_the_whole(api: Deliveries) -> None:
    made = (await integration(api, config=CONFIG | {"options": {"a": "1", "b": "2"}}, rate=5, description="Letters"))["id"]
    await api.told()
    changed = await api.ok("PATCH", f"/v1/integrations/{made}", {"config": {"options": {"a": None, "c": "3"}}, "rate": None})
    assert changed["config"] == CONFIG | {"options": {"b": "2", "c": "3"}}
    assert (changed["rate"], changed["description"]) == (None, "Letters")
    await api.ok("PATCH", f"/v1/integrations/{made}", {"credentials": {"kind": "user"}})
    assert await sealed(api, made) == CREDENTIALS | {"kind": "user"}
    assert await api.told() == ["integration.updated"] * 2
    await api.ok("PATCH", f"/v1/integrations/{made}", {"config": {"options": {"as": "user"}}})
    for patch, field in (
        ({"credentials": {"kind": None}}, "config.options"),
        ({"credentials": {"token": None}}, "credentials.token"),
        ({"config": {"url": "https://127.0.0.1/"}}, "config.url"),
        ({"config": {"port": 25}}, "config.port"),
        ({"config": None}, "config"),
        ({"connector": "room"}, "connector"),
    ):
        answer = await api("PATCH", f"/v1/integrations/{made}", patch)
        assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text
    assert await sealed(api, made) == CREDENTIALS | {"kind": "user"}


async def test_of_a_channel_to_people_the_oldest_that_is_enabled_is_in_use_as_it_is_for_the_planner(api: Deliveries) -> None:
    made = [(await integration(api, name))["id"] for name in ("post", "letters", "room", "room", "facts")]
    await api.outbox()

    async def in_use() -> list[str]:
        return [one["id"] for one in (await api.ok("GET", "/v1/integrations"))["items"] if one["in_use"]]

    assert await in_use() == [made[0], *made[2:]]
    assert await planned_for(api) == made[0]
    await api.ok("POST", f"/v1/integrations/{made[0]}/disable")
    assert await in_use() == made[1:]
    assert await planned_for(api) == made[1]
    await api.ok("POST", f"/v1/integrations/{made[0]}/enable")
    assert await planned_for(api) == made[0]
    await api.ok("DELETE", f"/v1/integrations/{made[0]}")
    assert await in_use() == made[1:]


async def planned_for(api: Deliveries) -> str:
    """The destination through which people get e-mail."""
    await api.ok("PUT", "/v1/categories/exports", {"channels": ["email"]})
    [event] = [one for one in await api.outbox() if one.type == "category.updated"]
    published = msgspec.structs.replace(event, type="notification.created", data='{"category": "exports"}')
    wishes = Wishes()
    async with api.database.system.acquire() as connection:
        await wishes.load(connection, [published])
        [wish] = wishes.to_people(published)
        return str(await connection.fetchval("SELECT key FROM destinations WHERE id = $1", wish.id))


async def test_a_deleted_integration_is_paused_and_its_credentials_are_gone(api: Deliveries) -> None:
    made = (await integration(api))["id"]
    await api.told()
    assert (await api("DELETE", f"/v1/integrations/{made}")).status_code == 204
    assert await api.told() == ["integration.deleted"]
    assert await api.database.system.fetchval("SELECT secrets FROM destinations WHERE key = $1", made) == b""
    assert (await api.lane(made))["paused"]
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/enable"), ("POST", "/disable")):
        body = {} if method == "PATCH" else None
        assert (await api(method, f"/v1/integrations/{made}{path}", body)).status_code == 404


async def test_an_integration_is_switched_off_and_on_and_gets_what_was_held(api: Deliveries) -> None:
    made = (await integration(api))["id"]
    await api.told()
    for _ in range(2):
        off = await api.ok("POST", f"/v1/integrations/{made}/disable")
        assert (off["state"], off["disabled_as"]) == ("disabled", "by_hand")
    assert (await api.lane(made))["paused"]
    await api.deliver(made, "held")
    on = await api.ok("POST", f"/v1/integrations/{made}/enable", {"backfill": True})
    assert (on["id"], on["held"]) == (made, 1)
    assert not (await api.lane(made))["paused"]
    events = await api.outbox()
    assert [event.type for event in events] == ["integration.disabled", "replay.created", "integration.enabled"]
    assert msgspec.json.decode(events[1].data) == {"id": on["replay"], "endpoint": None, "integration": made}
    replay = await api.ok("GET", f"/v1/replays/{on['replay']}")
    assert (replay["endpoint"], replay["integration"], replay["total"]) == (None, made, 1)


async def test_one_that_is_gone_is_disabled_under_its_own_name(api: Deliveries) -> None:
    made, other = (await integration(api))["id"], (await api.endpoint())["id"]
    await api.told()
    gone = Outcome(kind="refused", reason="http_410", is_gone=True)
    async with api.database.system.acquire() as connection, connection.transaction():
        now = await connection.fetchval("SELECT now()")
        lanes = await connection.fetch("SELECT id FROM destinations WHERE key = ANY ($1)", [made, other])
        await report(connection, {row["id"]: [gone] for row in lanes}, now)
    told = {event.type: msgspec.json.decode(event.data)["id"] for event in await api.outbox()}
    assert told == {"integration.disabled": made, "endpoint.disabled": other}
    assert (await api.ok("GET", f"/v1/integrations/{made}"))["disabled_as"] == "gone"


async def test_neither_kind_is_found_at_the_doors_of_the_other(api: Deliveries) -> None:
    made, other = (await integration(api))["id"], (await api.endpoint())["id"]
    assert [one["id"] for one in (await api.ok("GET", "/v1/integrations"))["items"]] == [made]
    assert [one["id"] for one in (await api.ok("GET", "/v1/endpoints"))["items"]] == [other]
    for kind, key in (("endpoints", made), ("integrations", other)):
        for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/enable"), ("POST", "/disable")):
            assert (await api(method, f"/v1/{kind}/{key}{path}")).status_code == 404, (method, path)


async def test_deliveries_say_which_kind_they_are_for(api: Deliveries) -> None:
    made, other = (await integration(api))["id"], (await api.endpoint())["id"]
    mine, its = await api.deliver(made, "dead"), await api.deliver(other, "dead")
    shown = await api.ok("GET", f"/v1/deliveries/{mine}")
    assert (shown["endpoint"], shown["integration"]) == (None, made)
    for query, found in ((f"integration={made}", [mine]), (f"endpoint={other}", [its]), ("state=dead", [its, mine])):
        assert [one["id"] for one in (await api.ok("GET", f"/v1/deliveries?{query}"))["items"]] == found
    for query, status, field in (
        (f"endpoint={made}", 404, "endpoint"), (f"integration={other}", 404, "integration"),
        (f"endpoint={other}&integration={made}", 422, "integration"),
    ):  # fmt: skip
        answer = await api("GET", f"/v1/deliveries?{query}")
        assert (answer.status_code, answer.json()["field"]) == (status, field)
    await api.outbox()
    resent = await api.ok("POST", f"/v1/deliveries/{mine}/resend")
    assert resent["integration"] == made
    [event] = await api.outbox()
    assert msgspec.json.decode(event.data) == {"id": mine, "endpoint": None, "integration": made, "type": "notification.created"}
    await api.ok("POST", f"/v1/integrations/{made}/disable")
    answer = await api("POST", f"/v1/deliveries/{mine}/resend")
    assert answer.status_code == 409 and "integration" in answer.json()["detail"]


async def test_an_integrations_deliveries_are_replayed(api: Deliveries) -> None:
    made, other = (await integration(api))["id"], (await api.endpoint())["id"]
    await api.deliver(made, "dead")
    since = "2020-01-01T00:00:00Z"
    begun = await api.ok("POST", "/v1/deliveries/replay", {"integration": made, "since": since})
    replay = await api.ok("GET", f"/v1/replays/{begun['id']}")
    assert (replay["endpoint"], replay["integration"], replay["total"]) == (None, made, 1)
    assert (await api.ok("POST", f"/v1/replays/{begun['id']}/cancel"))["integration"] == made
    for body, status, field in (
        ({}, 422, "endpoint"), ({"endpoint": other, "integration": made}, 422, "integration"), ({"endpoint": made}, 404, "endpoint"),
        ({"integration": other}, 404, "integration"),
    ):  # fmt: skip
        answer = await api("POST", "/v1/deliveries/replay", body | {"since": since})
        assert (answer.status_code, answer.json()["field"]) == (status, field)


async def test_the_connectors_say_what_they_take_and_whether_they_are_halted(api: Deliveries) -> None:
    async with api.database.system.acquire() as connection:
        await halt(connection, "post", "The provider asked us to stop.")
        try:
            listed = {one["name"]: one for one in (await api.ok("GET", "/v1/connectors"))["items"]}
        finally:
            assert await resume(connection, "post")
        assert not await resume(connection, "post")
    post = listed["post"]
    assert (post["channel"], post["repeats"], post["schedule"]) == ("email", False, [1, 2])
    assert post["halt"]["reason"] == "The provider asked us to stop."
    assert post["config"]["$defs"]["PretendedConfig"]["required"] == ["url"]
    assert post["credentials"]["$defs"]["PretendedCredentials"]["additionalProperties"] is False
    assert listed["webhook"]["halt"] is None


async def test_each_operation_asks_for_its_scope(api: Deliveries) -> None:
    made = (await integration(api))["id"]
    reader, other = await api.key("integrations:read"), await api.key("endpoints:write", "endpoints:read")
    for path in ("/v1/connectors", "/v1/integrations", f"/v1/integrations/{made}"):
        assert (await api("GET", path, key=reader)).status_code == 200
        answer = await api("GET", path, key=other)
        assert (answer.status_code, answer.json()["scope"]) == (403, "integrations:read")
    for method, path, body in (
        ("POST", "/v1/integrations", {"connector": "post"}), ("PATCH", f"/v1/integrations/{made}", {}),
        ("DELETE", f"/v1/integrations/{made}", None), ("POST", f"/v1/integrations/{made}/disable", None),
        ("POST", f"/v1/integrations/{made}/enable", None),
    ):  # fmt: skip
        answer = await api(method, path, body, key=reader)
        assert (answer.status_code, answer.json()["scope"]) == (403, "integrations:write"), path


async def test_one_whose_connector_this_version_lacks_is_shown_and_deleted(api: Deliveries) -> None:
    made = (await integration(api))["id"]
    del CONNECTORS["post"]
    assert (await api.ok("GET", f"/v1/integrations/{made}"))["connector"] == "post"
    answer = await api("PATCH", f"/v1/integrations/{made}", {"config": {}})
    assert (answer.status_code, "post" in answer.json()["detail"]) == (409, True)
    assert (await api("DELETE", f"/v1/integrations/{made}")).status_code == 204
