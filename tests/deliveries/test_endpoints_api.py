"""Endpoints over HTTP: what is shown, what is sealed, what is refused."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deliveries.conftest import URL, Deliveries
from tidings.deliveries.connectors.webhook.members import WebhookCredentials
from tidings.deliveries.destinations.event_types import TYPES
from tidings.deliveries.destinations.signing_keys import unseal
from tidings.deliveries.ledger.wanted import wants

OWN = "whsec_" + base64.b64encode(bytes(range(32))).decode()


async def sealed(api: Deliveries, endpoint: str) -> WebhookCredentials:
    async with api.database.system.acquire() as connection:
        kept = await connection.fetchval("SELECT secrets FROM destinations WHERE key = $1", endpoint)
        return await unseal(api.vault, connection, api.tenant.id, endpoint, kept)


async def test_an_endpoint_is_made_with_its_lane_and_a_sealed_secret(api: Deliveries) -> None:
    made = await api.endpoint(
        description="Orders", rate=0.1, at_once=5, schedule=[1, 60], order_by="data.account", headers={"X-Shop": "k9"}
    )
    assert made["secret"].startswith("whsec_")
    shown = await api.ok("GET", f"/v1/endpoints/{made['id']}")
    assert shown | {"secret": made["secret"]} == made | {"waiting": {"pending": 0, "held": 0}, "last_failure": None}
    assert (shown["rate"], shown["schedule"], shown["order_by"], shown["headers"]) == (0.1, [1, 60], "data.account", ["X-Shop"])
    assert await sealed(api, made["id"]) == msgspec.convert(
        {"signing": [{"key": made["secret"], "until": None}], "headers": {"X-Shop": "k9"}}, WebhookCredentials
    )
    lane = await api.lane(made["id"])
    assert (lane["connector"], lane["paused"], lane["due_at"]) == ("webhook", False, None)
    [event] = await api.outbox()
    assert (event.type, msgspec.json.decode(event.data), event.actor[:8]) == ("endpoint.created", {"id": made["id"]}, "key:key_")


async def test_no_answer_but_the_first_shows_a_secret_and_none_a_headers_value(api: Deliveries) -> None:
    body = {"url": URL, "events": ["*"], "headers": {"X-Shop": "very-secret"}, "secret": OWN}
    first = await api("POST", "/v1/endpoints", body, Idempotency_Key="once")
    again = await api("POST", "/v1/endpoints", body, Idempotency_Key="once")
    assert (first.status_code, again.status_code, again.headers["Idempotency-Replayed"]) == (201, 201, "true")
    assert first.json()["secret"] == OWN
    assert OWN not in again.text and "secret" in again.json()["note"]
    made = first.json()["id"]
    answers = [first, again, await api("GET", f"/v1/endpoints/{made}"), await api("GET", "/v1/endpoints")]
    answers.append(await api("GET", f"/v1/endpoints/{made}/secret"))
    answers.append(await api("PATCH", f"/v1/endpoints/{made}", {"headers": {"X-Other": "very-secret"}}))
    assert not [answer.text for answer in answers if "very-secret" in answer.text]
    kept = await api.database.system.fetch("SELECT config::text, secrets FROM destinations WHERE key = $1", made)
    assert b"very-secret" not in kept[0]["secrets"] and "very-secret" not in kept[0]["config"]
    assert (await api.ok("GET", "/v1/endpoints"))["items"][0]["id"] == made


async def test_the_private_half_of_a_pair_stays_here(api: Deliveries) -> None:
    made = await api.endpoint(signature="v1a")
    assert "secret" not in made
    private = (await sealed(api, made["id"])).signing[0].key
    seed = base64.b64decode(private.removeprefix("whsk_"))
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    assert made["public_key"] == "whpk_" + base64.b64encode(public).decode()
    shown = await api.ok("GET", f"/v1/endpoints/{made['id']}/secret")
    assert shown == {"signature": "v1a", "keys": [{"key": made["public_key"], "until": None}]}
    refused = await api("POST", "/v1/endpoints", {"url": URL, "events": ["*"], "signature": "v1a", "secret": OWN})
    assert (refused.status_code, refused.json()["field"]) == (422, "secret")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"url": "http://hooks.example.com/"}, "url"),
        ({"url": "https://127.0.0.1/"}, "url"),
        ({"url": "https://me:secret@hooks.example.com/"}, "url"),
        ({"url": "mailto:a@b.c"}, "url"),
        ({"events": []}, "events"),
        ({"events": ["notification.created", "notification.creatd"]}, "events[1]"),
        ({"events": ["key.*"]}, "events[0]"),
        ({"rate": 0}, "rate"),
        ({"at_once": 201}, "at_once"),
        ({"schedule": [1] * 21}, "schedule"),
        ({"schedule": [259_201]}, "schedule[0]"),
        ({"order_by": "a..b"}, "order_by"),
        ({"signature": "v2"}, "signature"),
        ({"secret": "whsec_dG9vIHNob3J0"}, "secret"),
        ({"secret": "whsec_" + "A" * 33}, "secret"),
        ({"headers": {"Host": "x"}}, "headers"),
        ({"headers": {"content-TYPE": "x"}}, "headers"),
        ({"headers": {"Webhook-Id": "x"}}, "headers"),
        ({"headers": {"Connection": "x"}}, "headers"),
        ({"headers": {"X-A": "1", "x-a": "2"}}, "headers"),
        ({"headers": {"X A": "1"}}, "headers"),
        ({"headers": {"X-A": "1\r\nHost: x"}}, "headers[...]"),
        ({"headers": {f"X-{number}": "1" for number in range(21)}}, "headers"),
        ({"kind": "webhook"}, "kind"),
    ],
)
async def test_a_wrong_field_is_named(api: Deliveries, fields: dict[str, Any], field: str) -> None:
    answer = await api("POST", "/v1/endpoints", {"url": URL, "events": ["*"]} | fields)
    assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text


async def test_unknown_events_are_refused_with_those_there_are(api: Deliveries) -> None:
    answer = await api("POST", "/v1/endpoints", {"url": URL, "events": ["order.paid"]})
    assert "notification.created" in answer.json()["detail"] and "inbox.*" in answer.json()["detail"]


def test_every_type_of_event_is_found_by_itself_and_by_its_family() -> None:
    for name in TYPES:
        assert wants([name], name)
        assert wants([name.partition(".")[0] + ".*"], name)


async def test_a_patch_changes_what_it_names_and_merges_headers(api: Deliveries) -> None:
    made = await api.endpoint(description="Orders", rate=5, headers={"X-Shop": "a", "X-Kept": "b"})
    await api.told()
    patch = {"url": URL + "/2", "events": ["inbox.read", "inbox.read"], "rate": None, "headers": {"x-shop": None, "X-New": "c"}}
    changed = await api.ok("PATCH", f"/v1/endpoints/{made['id']}", patch)
    assert (changed["url"], changed["events"], changed["rate"], changed["description"]) == (URL + "/2", ["inbox.read"], None, "Orders")
    assert changed["headers"] == ["X-Kept", "X-New"]
    assert (await sealed(api, made["id"])).headers == {"X-Kept": "b", "X-New": "c"}
    assert (await sealed(api, made["id"])).signing[0].key == made["secret"]
    assert await api.told() == ["endpoint.updated"]
    assert (await api.ok("PATCH", f"/v1/endpoints/{made['id']}", {"headers": None}))["headers"] == []
    for wrong, field in (({"url": "https://10.0.0.1/"}, "url"), ({"events": ["x"]}, "events[0]"), ({"url": None}, "url")):
        answer = await api("PATCH", f"/v1/endpoints/{made['id']}", wrong)
        assert (answer.status_code, answer.json()["field"]) == (422, field)


async def test_a_deleted_endpoint_is_paused_and_its_secrets_are_gone(api: Deliveries) -> None:
    made = await api.endpoint()
    await api.told()
    assert (await api("DELETE", f"/v1/endpoints/{made['id']}")).status_code == 204
    assert await api.told() == ["endpoint.deleted"]
    assert await api.database.system.fetchval("SELECT secrets FROM destinations WHERE key = $1", made["id"]) == b""
    lane = await api.lane(made["id"])
    assert lane["paused"] and lane["due_at"] is not None
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/secret"), ("POST", "/enable"), ("POST", "/secret/rotate")):
        assert (await api(method, f"/v1/endpoints/{made['id']}{path}")).status_code == 404
    assert (await api.ok("GET", "/v1/endpoints"))["items"] == []


async def test_an_endpoint_is_switched_off_and_on_with_a_clean_record(api: Deliveries) -> None:
    made = await api.endpoint()
    await api.told()
    for _ in range(2):
        off = await api.ok("POST", f"/v1/endpoints/{made['id']}/disable")
        assert (off["state"], off["disabled_as"]) == ("disabled", "by_hand")
    assert await api.told() == ["endpoint.disabled"]
    assert (await api.lane(made["id"]))["paused"]
    await api.database.system.execute(
        "UPDATE lanes SET breaker = 'open', failures = 60, failing_since = now(), warned = 90 WHERE project = $1", api.tenant.id
    )
    for _ in range(2):
        on = await api.ok("POST", f"/v1/endpoints/{made['id']}/enable")
        assert on == {"id": made["id"], "held": 0, "since": None, "replay": None}
    assert await api.told() == ["endpoint.enabled"]
    lane = await api.lane(made["id"])
    assert (lane["paused"], lane["breaker"], lane["failures"], lane["failing_since"], lane["warned"]) == (False, "closed", 0, None, 0)
    assert (await api.ok("GET", f"/v1/endpoints/{made['id']}"))["state"] == "enabled"


async def test_enabling_offers_what_was_held_and_begins_its_replay(api: Deliveries) -> None:
    made = (await api.endpoint())["id"]
    await api.ok("POST", f"/v1/endpoints/{made}/disable")
    earliest = datetime.now(UTC) - timedelta(days=1)
    await api.deliver(made, "held", at=earliest)
    await api.deliver(made, "held")
    on = await api.ok("POST", f"/v1/endpoints/{made}/enable")
    assert (on["held"], on["replay"]) == (2, None)
    assert datetime.fromisoformat(on["since"]) == earliest
    again = await api.ok("POST", f"/v1/endpoints/{made}/enable", {"backfill": True})
    replay = await api.ok("GET", f"/v1/replays/{again['replay']}")
    assert (replay["endpoint"], replay["state"], replay["total"]) == (made, "running", 2)


async def test_an_endpoint_says_what_waits_and_why_it_failed_last(api: Deliveries) -> None:
    made = (await api.endpoint())["id"]
    await api.deliver(made, "dead", reason="http_500")
    newest = await api.deliver(made, "pending", reason="timed_out")
    await api.deliver(made, "delivered", reason="http_200")
    await api.deliver(made, "held", reason="disabled")
    shown = await api.ok("GET", f"/v1/endpoints/{made}")
    assert shown["waiting"] == {"pending": 1, "held": 1}
    assert shown["last_failure"] == {"delivery": newest, "reason": "timed_out"}


async def test_a_rotated_secret_signs_on_beside_the_new_one(api: Deliveries) -> None:
    made = await api.endpoint()
    await api.told()
    path = f"/v1/endpoints/{made['id']}/secret"
    new = await api.ok("POST", path + "/rotate", {"overlap": 3600, "secret": OWN})
    assert new["secret"] == OWN
    shown = await api.ok("GET", path)
    assert [one["key"] for one in shown["keys"]] == [OWN, made["secret"]]
    assert [one["until"] for one in shown["keys"]] == [None, new["older_until"]]
    ends = datetime.fromisoformat(new["older_until"]) - datetime.now(UTC)
    assert timedelta(minutes=59) < ends <= timedelta(minutes=60)
    assert await api.told() == ["endpoint.updated"]
    # The older one keeps its end, which comes before that of the second overlap.
    third = await api.ok("POST", path + "/rotate")
    assert [one["until"] for one in (await api.ok("GET", path))["keys"]] == [None, third["older_until"], new["older_until"]]
    now = await api.ok("POST", path + "/rotate", {"overlap": 0})
    assert (await api.ok("GET", path))["keys"] == [{"key": now["secret"], "until": None}]


async def test_no_more_than_five_keys_sign_at_once(api: Deliveries) -> None:
    path = f"/v1/endpoints/{(await api.endpoint())['id']}/secret"
    for _ in range(4):
        assert (await api("POST", path + "/rotate")).status_code == 200
    assert (await api("POST", path + "/rotate")).status_code == 409
    assert len((await api.ok("GET", path))["keys"]) == 5


async def test_a_repeated_rotation_rotates_once_and_hides_the_secret(api: Deliveries) -> None:
    path = f"/v1/endpoints/{(await api.endpoint())['id']}/secret"
    first = await api.ok("POST", path + "/rotate", {}, Idempotency_Key="turn")
    again = await api.ok("POST", path + "/rotate", {}, Idempotency_Key="turn")
    assert "secret" in first and "secret" not in again
    assert len((await api.ok("GET", path))["keys"]) == 2


async def test_endpoints_are_listed_page_by_page(api: Deliveries) -> None:
    made = [(await api.endpoint())["id"] for _ in range(5)]
    first = await api.ok("GET", "/v1/endpoints?limit=3")
    second = await api.ok("GET", f"/v1/endpoints?limit=3&after={first['next']}")
    assert [one["id"] for one in first["items"] + second["items"]] == made
    assert second["next"] is None


async def test_each_operation_asks_for_its_scope(api: Deliveries) -> None:
    made = (await api.endpoint())["id"]
    reader = await api.key("endpoints:read", "deliveries:read")
    assert (await api("GET", f"/v1/endpoints/{made}", key=reader)).status_code == 200
    refused = [
        ("POST", "/v1/endpoints", {"url": URL, "events": ["*"]}), ("PATCH", f"/v1/endpoints/{made}", {}),
        ("DELETE", f"/v1/endpoints/{made}", None), ("POST", f"/v1/endpoints/{made}/disable", None),
        ("POST", f"/v1/endpoints/{made}/enable", None), ("GET", f"/v1/endpoints/{made}/secret", None),
        ("POST", f"/v1/endpoints/{made}/secret/rotate", None),
    ]  # fmt: skip
    for method, path, body in refused:
        answer = await api(method, path, body, key=reader)
        assert (answer.status_code, answer.json()["scope"]) == (403, "endpoints:write"), path


async def test_another_projects_endpoint_is_not_found(api: Deliveries, database: Any) -> None:
    await database.system.execute(
        """WITH other AS (INSERT INTO projects (key, name, shard) VALUES (md5(random()::text), 'other', 0) RETURNING id),
        d AS (INSERT INTO destinations (project, key, connector, config, secrets, events, created_by)
              SELECT id, 'ep_other' || $1, 'webhook', '{"url": "x", "signature": "v1"}', '', '{*}', 'x' FROM other RETURNING id, project)
        INSERT INTO lanes (destination, project, connector) SELECT id, project, 'webhook' FROM d""",
        str(api.tenant.id),
    )
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/secret"), ("POST", "/disable"), ("POST", "/secret/rotate")):
        assert (await api(method, f"/v1/endpoints/ep_other{api.tenant.id}{path}")).status_code == 404


async def test_with_a_missing_encryption_key_it_says_so_and_fails_nothing_else(api: Deliveries) -> None:
    made = await api.endpoint()
    kept = await api.database.system.fetchval("SELECT secrets FROM destinations WHERE key = $1", made["id"])
    damaged = kept[:-1] + bytes([kept[-1] ^ 1])
    await api.database.system.execute("UPDATE destinations SET secrets = $2 WHERE key = $1", made["id"], damaged)
    answer = await api("GET", f"/v1/endpoints/{made['id']}/secret")
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:tidings:problem:sealed")
    assert made["secret"] not in answer.text
    assert (await api("GET", f"/v1/endpoints/{made['id']}")).status_code == 200
