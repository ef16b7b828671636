"""Deliveries over HTTP: found, looked at, sent again, given up."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from deliveries.conftest import Deliveries
from tidings.deliveries.ledger import listing
from tidings.deliveries.ledger.listing import first_id
from tidings.platform.ids import uuid7
from tidings.platform.postgres import tenant_transaction
from tidings.recipients.resolve import ensure_subscribers

ATTEMPT = """
INSERT INTO attempts (delivery, number, project, destination, worker, started_at, ended_at, outcome, reason, status, dns_ms, total_ms,
    response, truncated)
SELECT d.id, $2, d.project, d.destination, 'w', $3, $4, $5, $6, $7, $8, $9, $10, $11 FROM deliveries d WHERE d.id = $1::uuid
"""


async def listed(api: Deliveries, query: str = "", limit: int = 100) -> list[str]:
    """The ids that are found, over all pages."""
    found: list[str] = []
    after = ""
    while after is not None:
        page = await api.ok("GET", f"/v1/deliveries?limit={limit}&{query}{after and '&after=' + after}")
        found += [one["id"] for one in page["items"]]
        after = page["next"]
    return found


async def test_deliveries_are_found_by_what_is_asked_the_newest_first(api: Deliveries) -> None:
    one, other = (await api.endpoint())["id"], (await api.endpoint())["id"]
    notification = uuid4()
    async with tenant_transaction(api.database, api.tenant.id) as connection:
        alice = (await ensure_subscribers(connection, api.tenant.id, ["alice"], "test"))["alice"]
    a = await api.deliver(one, "delivered", notification=notification)
    b = await api.deliver(one, "dead", type="inbox.read", reason="http_500", subscriber=alice)
    c = await api.deliver(other, "pending", notification=notification)
    d = await api.deliver(other, "held", type="inbox.read")
    e = await api.deliver(other, "cancelled")
    assert await listed(api) == [e, d, c, b, a]
    assert await listed(api, limit=2) == [e, d, c, b, a]
    expected = {
        f"endpoint={one}": [b, a], "state=delivered": [a], "state=dead": [b], "state=held": [d], "type=inbox.read": [d, b],
        f"notification={notification}": [c, a], "subscriber=alice": [b], "subscriber=nobody": [],
        f"endpoint={other}&state=pending": [c], f"endpoint={one}&state=delivered": [a], f"endpoint={other}&type=inbox.read": [d],
        f"notification={notification}&endpoint={one}": [a], f"notification={notification}&state=pending": [c],
        f"notification={notification}&state=delivered&type=inbox.read": [], "state=dead&subscriber=alice&type=inbox.read": [b],
    }  # fmt: skip
    for query, found in expected.items():
        assert await listed(api, query, limit=1) == found, query
    [shown] = (await api.ok("GET", "/v1/deliveries?state=dead"))["items"]
    assert shown == await api.ok("GET", f"/v1/deliveries/{b}")
    assert (shown["endpoint"], shown["subscriber"], shown["attempts"], shown["reason"]) == (one, "alice", 1, "http_500")
    assert shown["next_attempt_at"] is None and shown["finished_at"] is not None


async def test_deliveries_are_found_by_when_they_were_accepted(api: Deliveries) -> None:
    made = (await api.endpoint())["id"]
    noon = datetime(2026, 11, 25, 12, tzinfo=UTC)
    hours = [
        await api.deliver(made, at=noon + timedelta(hours=n), id=UUID(int=first_id(noon + timedelta(hours=n)).int + n)) for n in range(4)
    ]
    assert await listed(api, "since=2026-11-25T13:00:00Z&until=2026-11-25T15:00:00Z") == [hours[2], hours[1]]
    assert await listed(api, "since=2026-11-25T16:00:00%2B02:00") == [hours[3], hours[2]]
    assert await listed(api, "since=0001-01-01T00:00:00Z&until=9999-12-31T23:59:59Z") == hours[::-1]


async def test_a_page_ends_after_so_many_that_do_not_fit_and_goes_on(api: Deliveries, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "LOOK_AT", 30)
    made = (await api.endpoint())["id"]
    rare = await api.deliver(made, type="inbox.read")
    for _ in range(70):
        await api.deliver(made)
    first = await api.ok("GET", "/v1/deliveries?type=inbox.read&limit=25")
    assert first["items"] == [] and first["next"] is not None
    assert await listed(api, "type=inbox.read", limit=25) == [rare]
    assert await listed(api, "type=inbox.unread", limit=25) == []


async def test_the_delivery_of_a_deleted_endpoint_stays_listed(api: Deliveries) -> None:
    made = (await api.endpoint())["id"]
    kept = await api.deliver(made, "delivered")
    await api.ok("DELETE", f"/v1/endpoints/{made}")
    assert await listed(api, f"endpoint={made}") == [kept]


@pytest.mark.parametrize(
    ("query", "status", "field"),
    [
        ("state=sent", 422, "state"), ("since=yesterday", 422, "since"), ("until=2026-11-25T12:00:00", 422, "until"),
        ("notification=x", 422, "notification"), ("after=x", 400, "after"), ("limit=0", 422, "limit"), ("endpoint=ep_x", 404, "endpoint"),
        ("type=%00", 422, "type"),
    ],
)  # fmt: skip
async def test_a_wrong_query_is_refused(api: Deliveries, query: str, status: int, field: str) -> None:
    answer = await api("GET", f"/v1/deliveries?{query}")
    assert (answer.status_code, answer.json().get("field")) == (status, field), answer.text


async def test_attempts_are_shown_with_what_was_answered(api: Deliveries) -> None:
    made = (await api.endpoint())["id"]
    delivery = await api.deliver(made, attempts=2)
    now = datetime.now(UTC)
    answers: list[tuple[bytes | None, bool]] = [(b"\xff\x00", False), ("Grüße €".encode()[:-1], True), (None, False)]
    for number, (response, truncated) in enumerate(answers, 1):
        is_over = number < 3
        await api.database.system.execute(
            ATTEMPT, delivery, number, now, now if is_over else None, "retry" if is_over else None, "http_503" if is_over else None,
            503 if is_over else None, 0.25 if is_over else None, 12.5 if is_over else None, response, truncated,
        )  # fmt: skip
    first = await api.ok("GET", f"/v1/deliveries/{delivery}/attempts?limit=2")
    [raw, text] = first["items"]
    assert (raw["response"], raw["response_is_base64"]) == (base64.b64encode(b"\xff\x00").decode(), True)
    assert (text["response"], text["response_is_base64"], text["truncated"]) == ("Grüße ", False, True)
    assert raw["latency"] == {"dns": 0.25, "connect": None, "tls": None, "first_byte": None, "total": 12.5}
    assert (raw["number"], raw["outcome"], raw["reason"], raw["status"]) == (1, "retry", "http_503", 503)
    [under_way] = (await api.ok("GET", f"/v1/deliveries/{delivery}/attempts?limit=2&after={first['next']}"))["items"]
    assert (under_way["number"], under_way["outcome"], under_way["response"]) == (3, None, None)


@pytest.mark.parametrize("state", ["delivered", "dead", "held", "cancelled", "pending"])
async def test_a_resent_delivery_is_due_now_with_its_schedule_before_it(api: Deliveries, state: str) -> None:
    made = (await api.endpoint())["id"]
    await api.told()
    delivery = await api.deliver(made, state, attempts=3, reason="disabled" if state == "held" else "http_500")
    answer = await api("POST", f"/v1/deliveries/{delivery}/resend")
    assert (answer.status_code, answer.json()["state"], answer.json()["finished_at"]) == (202, "pending", None)
    row, lane = await api.row(delivery), await api.lane(made)
    assert (row["attempts"], row["round"], row["reason"]) == (3, 3, None if state == "held" else "http_500")
    assert row["next_attempt_at"] == lane["due_at"] <= datetime.now(UTC)
    [event] = await api.outbox()
    assert event.type == "delivery.resent" and msgspec.json.decode(event.data)["id"] == delivery and event.actor.startswith("key:")


async def test_what_is_being_sent_is_not_resent(api: Deliveries) -> None:
    made = (await api.endpoint())["id"]
    delivery = await api.deliver(made, lease_until=datetime.now(UTC) + timedelta(seconds=10))
    before = await api.row(delivery)
    assert (await api("POST", f"/v1/deliveries/{delivery}/resend")).status_code == 409
    assert await api.row(delivery) == before
    free = await api.deliver(made)
    async with api.database.system.acquire() as worker, worker.transaction():
        await worker.execute("SELECT FROM deliveries WHERE id = $1::uuid FOR UPDATE", free)
        assert (await api("POST", f"/v1/deliveries/{free}/resend")).status_code == 409
    assert (await api("POST", f"/v1/deliveries/{free}/resend")).status_code == 202


async def test_nothing_is_resent_to_an_endpoint_that_is_disabled_or_gone(api: Deliveries) -> None:
    made = (await api.endpoint())["id"]
    delivery = await api.deliver(made, "dead")
    for path, method, word in ((f"/v1/endpoints/{made}/disable", "POST", "disabled"), (f"/v1/endpoints/{made}", "DELETE", "deleted")):
        await api.ok(method, path)
        refused = await api("POST", f"/v1/deliveries/{delivery}/resend")
        assert refused.status_code == 409 and word in refused.json()["detail"]
        assert (await api.row(delivery))["state"] == "dead"


async def test_a_resent_delivery_waits_for_the_one_of_its_order_that_is_on_its_way(api: Deliveries) -> None:
    made = (await api.endpoint(order_by="endpoint"))["id"]
    dead = await api.deliver(made, "dead", order_key="a")
    leader = await api.deliver(made, order_key="a")
    waiting = await api.deliver(made, order_key="a", next_attempt_at=datetime.max.replace(tzinfo=UTC))
    assert await api.database.system.fetchval("SELECT next_attempt_at = 'infinity' FROM deliveries WHERE id = $1::uuid", waiting)
    for delivery in (dead, waiting):
        assert (await api.ok("POST", f"/v1/deliveries/{delivery}/resend"))["next_attempt_at"] is None
    assert (await api.ok("POST", f"/v1/deliveries/{leader}/resend"))["next_attempt_at"] is not None
    # The leader is given up: the oldest of those that waited is next.
    await api.ok("POST", f"/v1/deliveries/{leader}/cancel")
    assert (await api.ok("GET", f"/v1/deliveries/{dead}"))["next_attempt_at"] is not None
    assert (await api.ok("GET", f"/v1/deliveries/{waiting}"))["next_attempt_at"] is None
    assert (await api.lane(made))["due_at"] is not None


async def test_what_waits_or_is_held_can_be_cancelled_and_nothing_else(api: Deliveries) -> None:
    made = (await api.endpoint())["id"]
    await api.told()
    for state, status in (("pending", 200), ("held", 200), ("cancelled", 200), ("delivered", 409), ("dead", 409)):
        delivery = await api.deliver(made, state)
        answer = await api("POST", f"/v1/deliveries/{delivery}/cancel")
        assert answer.status_code == status, state
        if status == 200:
            assert answer.json()["state"] == "cancelled" and answer.json()["finished_at"] is not None
    assert await api.told() == ["delivery.cancelled", "delivery.cancelled"]


async def test_what_is_not_there_is_not_found(api: Deliveries) -> None:
    other = await stranger_delivery(api)
    for unknown in ("x", str(uuid7()), other):
        for method, path in (("GET", ""), ("GET", "/attempts"), ("POST", "/resend"), ("POST", "/cancel")):
            assert (await api(method, f"/v1/deliveries/{unknown}{path}")).status_code == 404, path
    assert await listed(api) == []


async def stranger_delivery(api: Deliveries) -> str:
    """A delivery of another project."""
    identity = str(uuid7())
    await api.database.system.execute(
        """WITH other AS (INSERT INTO projects (key, name, shard) VALUES (md5(random()::text), 'other', 0) RETURNING id)
        INSERT INTO deliveries (id, project, destination, type, shard, position, event_at, accepted_at, next_attempt_at)
        SELECT $1::uuid, id, 0, 'notification.created', 0, 1, now(), now(), now() FROM other""",
        identity,
    )
    return identity


async def test_each_operation_asks_for_its_scope(api: Deliveries) -> None:
    nobody, reader = await api.key("endpoints:write"), await api.key("deliveries:read")
    replay: dict[str, Any] = {"endpoint": "ep_x", "since": "2026-11-25T12:00:00Z"}
    for path in ("/v1/deliveries", "/v1/deliveries/x", "/v1/deliveries/x/attempts", "/v1/replays", "/v1/replays/x"):
        assert (await api("GET", path, key=nobody)).json()["scope"] == "deliveries:read"
        assert (await api("GET", path, key=reader)).status_code in (200, 404)
    for path, body in (("/v1/deliveries/x/resend", None), ("/v1/deliveries/x/cancel", None), ("/v1/deliveries/replay", replay)):
        assert (await api("POST", path, body, key=reader)).json()["scope"] == "deliveries:write"
    assert (await api("POST", "/v1/replays/x/cancel", key=reader)).json()["scope"] == "deliveries:write"
