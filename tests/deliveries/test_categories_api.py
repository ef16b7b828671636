"""Categories over HTTP, and that the planner goes by them."""

from typing import Any

import msgspec
import pytest

from deliveries.conftest import Deliveries
from tidings.deliveries.categories import categories
from tidings.deliveries.ledger.wanted import Wishes


async def put(api: Deliveries, category: str, *channels: str) -> Any:
    return await api("PUT", f"/v1/categories/{category}", {"channels": list(channels)})


async def test_a_category_is_set_changed_and_taken_away(api: Deliveries) -> None:
    new = await put(api, "exports", "email", "push", "email")
    assert (new.status_code, new.json()["category"], new.json()["channels"]) == (201, "exports", ["email", "push"])
    changed = await put(api, "exports", "chat")
    assert (changed.status_code, changed.json()["channels"]) == (200, ["chat"])
    assert await api.ok("GET", "/v1/categories/exports") == changed.json()
    assert (await api("DELETE", "/v1/categories/exports")).status_code == 204
    told = [(event.type, msgspec.json.decode(event.data)["channels"]) for event in await api.outbox()]
    assert told == [("category.updated", channels) for channels in (["email", "push"], ["chat"], [])]
    for method in ("GET", "DELETE"):
        assert (await api(method, "/v1/categories/exports")).status_code == 404


async def test_categories_are_listed_by_name_page_by_page(api: Deliveries) -> None:
    for name in ("c:1", "a", "b.x"):
        await put(api, name, "sms")
    first = await api.ok("GET", "/v1/categories?limit=2")
    second = await api.ok("GET", f"/v1/categories?limit=2&after={first['next']}")
    assert [one["category"] for one in first["items"] + second["items"]] == ["a", "b.x", "c:1"]
    assert second["next"] is None


@pytest.mark.parametrize(
    ("category", "body", "field"),
    [
        ("exports", {}, "channels"),
        ("exports", {"channels": []}, "channels"),
        ("exports", {"channels": ["in_app"]}, "channels[0]"),
        ("exports", {"channels": ["email", "pigeon"]}, "channels[1]"),
        ("exports", {"channels": ["email"], "more": 1}, "more"),
        ("a%20b", {"channels": ["email"]}, "category"),
        ("x" * 101, {"channels": ["email"]}, "category"),
    ],
)
async def test_a_wrong_field_is_named(api: Deliveries, category: str, body: Any, field: str) -> None:
    answer = await api("PUT", f"/v1/categories/{category}", body)
    assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text


async def test_there_is_an_end_to_how_many(api: Deliveries, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(categories, "MOST", 2)
    assert [(await put(api, name, "sms")).status_code for name in ("a", "b", "c")] == [201, 201, 409]
    assert (await put(api, "a", "email")).status_code == 200
    assert [one["category"] for one in (await api.ok("GET", "/v1/categories"))["items"]] == ["a", "b"]


async def test_the_planner_learns_of_a_change_from_the_log(api: Deliveries) -> None:
    wishes = Wishes()

    async def channels() -> set[str]:
        """Of a notification of the category that is published after the last change."""
        [event] = await api.outbox()
        published = msgspec.structs.replace(event, type="notification.created", data='{"category": "exports"}')
        async with api.database.system.acquire() as connection:
            await wishes.load(connection, [event, published])
        return wishes.channels_of(published)

    await put(api, "exports", "email")
    assert await channels() == {"email"}
    await put(api, "exports", "chat", "sms")
    assert await channels() == {"chat", "sms"}
    await api.ok("DELETE", "/v1/categories/exports")
    assert await channels() == set()


async def test_each_operation_asks_for_its_scope(api: Deliveries) -> None:
    await put(api, "exports", "email")
    reader, other = await api.key("integrations:read"), await api.key("endpoints:write")
    for path in ("/v1/categories", "/v1/categories/exports"):
        assert (await api("GET", path, key=reader)).status_code == 200
        assert (await api("GET", path, key=other)).json()["scope"] == "integrations:read"
    for method, body in (("PUT", {"channels": ["email"]}), ("DELETE", None)):
        assert (await api(method, "/v1/categories/exports", body, key=reader)).json()["scope"] == "integrations:write"
