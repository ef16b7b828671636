"""People: written, found, changed, deleted."""

import asyncio
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from in_process import Api

from tidings.errors import Invalid, Malformed
from tidings.platform.keyset import decode_place, encode_place
from tidings.platform.postgres import tenant_transaction
from tidings.recipients.resolve import ensure_subscribers
from tidings.recipients.subscribers import merge_patch


async def test_put_answers_201_for_someone_new_and_200_after(api: Api) -> None:
    first = await api("PUT", "/v1/subscribers/alice", {"email": "alice@example.com", "attributes": {"plan": "pro"}})
    again = await api("PUT", "/v1/subscribers/alice", {"name": "Alice"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["email"] == "alice@example.com"
    assert again.json() | {"created_at": None, "updated_at": None} == {
        "id": "alice", "email": None, "phone": None, "name": "Alice", "locale": None, "timezone": None, "attributes": {},
        "created_at": None, "updated_at": None,
    }  # fmt: skip
    assert [(event.type, event.actor[:8]) for event in await api.outbox()][1:] == [("subscriber.updated", "key:key_")]


async def test_patch_keeps_what_is_left_out_and_null_empties(api: Api) -> None:
    everything = {"email": "a@example.com", "name": "Alice", "attributes": {"plan": "pro", "seats": 5, "company": {"a": 1, "b": 2}}}
    await api.ok("PUT", "/v1/subscribers/alice", everything)
    change = {"name": None, "attributes": {"seats": None, "company": {"b": 3}}}
    after = await api.ok("PATCH", "/v1/subscribers/alice", change)
    assert (after["email"], after["name"]) == ("a@example.com", None)
    assert after["attributes"] == {"plan": "pro", "company": {"a": 1, "b": 3}}
    assert await api.ok("GET", "/v1/subscribers/alice") == after
    assert (await api.ok("PATCH", "/v1/subscribers/alice", {"attributes": None}))["attributes"] == {}
    assert (await api("PATCH", "/v1/subscribers/bob", {})).status_code == 404


def test_merge_patch_is_rfc_7396() -> None:
    # Of appendix A.
    for target, patch, merged in [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": "foo"}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ]:
        assert merge_patch(target, patch) == merged


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"email": "nobody"}, "email"),
        ({"email": "a@b\n"}, "email"),
        ({"phone": "call me"}, "phone"),
        ({"timezone": "Europe/Berlin; DROP"}, "timezone"),
        ({"name": "x" * 256}, "name"),
        ({"attributes": {"x": "y" * 17_000}}, "attributes"),
        ({"attributes": []}, "attributes"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_a_wrong_field_is_named(api: Api, body: Any, field: str) -> None:
    answer = await api("PUT", "/v1/subscribers/alice", body)
    assert (answer.status_code, answer.json().get("field")) == (422, field)


@pytest.mark.parametrize("body", [b"{", b"nonsense", b"\xff\xfe"])
async def test_a_body_that_is_no_json_is_400(api: Api, body: bytes) -> None:
    assert (await api("PUT", "/v1/subscribers/alice", body)).status_code == 400


@pytest.mark.parametrize("body", [b'{"name": "a\\u0000b"}', b'{"attributes": {"a": "\\u0000"}}', b'{"attributes": {"n": 1e999}}'])
async def test_what_postgresql_cannot_keep_is_the_callers_fault(api: Api, body: bytes) -> None:
    assert (await api("PUT", "/v1/subscribers/alice", body)).status_code in (400, 422)


@pytest.mark.parametrize("name", ["x" * 256, "a\x00b", "a\x1fb", "a\n"])
async def test_an_id_that_cannot_be_is_refused(api: Api, name: str) -> None:
    assert (await api("PUT", f"/v1/subscribers/{quote(name, safe='')}", {})).status_code == 422


@pytest.mark.parametrize("name", ["a b", "ä🎉", "a@b.c", "x" * 255, "a'; --", "100%"])
async def test_any_other_id_is_kept_as_it_is(api: Api, name: str) -> None:
    assert (await api.ok("PUT", f"/v1/subscribers/{quote(name, safe='')}", {}))["id"] == name
    assert [item["id"] for item in (await api.ok("GET", f"/v1/subscribers?id={quote(name, safe='')}"))["items"]] == [name]


async def test_bulk_writes_a_thousand_in_one_go(api: Api) -> None:
    await api.ok("PUT", "/v1/subscribers/p7", {"email": "old@example.com"})
    people = [{"id": f"p{number}", "email": f"p{number}@example.com", "attributes": {"n": number}} for number in range(1000)]
    assert await api.ok("POST", "/v1/subscribers/bulk", {"subscribers": people}) == {"created": 999, "updated": 1}
    assert (await api.ok("GET", "/v1/subscribers/p7"))["email"] == "p7@example.com"
    too_many = await api("POST", "/v1/subscribers/bulk", {"subscribers": [*people, {"id": "one more"}]})
    assert (too_many.status_code, too_many.json()["field"]) == (422, "subscribers")
    twice = await api("POST", "/v1/subscribers/bulk", {"subscribers": [{"id": "a"}, {"id": "b"}, {"id": "a"}]})
    assert (twice.status_code, twice.json()["field"]) == (422, "subscribers[2].id")


async def test_a_repeated_bulk_has_one_effect(api: Api) -> None:
    body = {"subscribers": [{"id": "a"}, {"id": "b"}]}
    for _ in range(2):
        assert await api.ok("POST", "/v1/subscribers/bulk", body, Idempotency_Key="b1") == {"created": 2, "updated": 0}


async def test_people_are_found_by_id_address_and_attributes(api: Api) -> None:
    people = [
        {"id": "alice", "email": "Alice@Example.com", "attributes": {"plan": "pro", "seats": 5, "company": {"size": 10}, "on": True}},
        {"id": "bob", "email": "bob@example.com", "attributes": {"plan": "pro", "seats": "5"}},
        {"id": "charlie", "attributes": {"plan": "free", "odd.name": "x"}},
    ]
    await api.ok("POST", "/v1/subscribers/bulk", {"subscribers": people})

    async def found(query: str) -> list[str]:
        return [item["id"] for item in (await api.ok("GET", f"/v1/subscribers?{query}"))["items"]]

    assert await found("") == ["alice", "bob", "charlie"]
    assert await found("email=alice@example.com") == ["alice"]
    assert await found("attribute.plan=pro") == ["alice", "bob"]
    assert await found("attribute.plan=pro&attribute.seats=5") == ["alice", "bob"]
    assert await found("attribute.company.size=10") == ["alice"]
    assert await found("attribute.on=true") == ["alice"]
    assert await found("attribute.plan=pro&id=bob") == ["bob"]
    assert await found("attribute.plan=%22%27%7B%7D") == []
    assert (await api("GET", "/v1/subscribers?attribute.=x")).status_code == 422
    assert (await api("GET", "/v1/subscribers?" + "&".join(f"attribute.a{n}=1" for n in range(6)))).status_code == 422


@pytest.mark.parametrize("after", ["nonsense!", "a", "LTE", "azEuNQ", "%00"])
async def test_a_wrong_place_in_a_list_is_400_and_says_what_to_pass(api: Api, after: str) -> None:
    answer = await api("GET", f"/v1/subscribers?after={after}")
    assert answer.status_code == 400
    assert "next" in answer.json()["detail"]


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "x"])
async def test_a_limit_out_of_bounds_is_refused(api: Api, limit: str) -> None:
    answer = await api("GET", f"/v1/subscribers?limit={limit}")
    assert (answer.status_code, answer.json()["field"]) == (422, "limit")


@given(st.integers(0, 2**57))
def test_a_place_survives_the_journey(inner: int) -> None:
    assert decode_place(encode_place(inner)) == inner


@given(st.text(max_size=40))
def test_any_text_is_a_place_or_is_refused(text: str) -> None:
    try:
        assert 0 <= decode_place(text) < 2**63
    except Malformed as error:
        assert error.extra["field"] == "after"  # noqa: PT017


async def test_pages_of_any_size_hold_everyone_once_also_while_people_come(api: Api) -> None:
    names = [f"p{number:02}" for number in range(23)]
    await api.ok("POST", "/v1/subscribers/bulk", {"subscribers": [{"id": name} for name in names]})
    for size in (1, 2, 5, 11, 22, 23, 24):
        paged, after = [], ""
        while True:
            page = await api.ok("GET", f"/v1/subscribers?limit={size}{after and '&after=' + after}")
            paged += [item["id"] for item in page["items"]]
            if len(paged) == size:
                await api.ok("PUT", f"/v1/subscribers/late-{size}", {})
            if (after := page["next"]) is None:
                break
        assert [name for name in paged if name in names] == names
        assert len(set(paged)) == len(paged)


async def test_a_deleted_subscriber_leaves_nothing_but_a_tombstone(api: Api) -> None:
    await api.ok("PUT", "/v1/subscribers/alice", {"email": "alice@example.com", "name": "Alice", "attributes": {"a": 1}})
    await api.ok("PUT", "/v1/topics/news/subscribers", {"add": ["alice", "bob"]})
    await api.ok("PUT", "/v1/topics/sports/subscribers", {"add": ["alice"]})
    await api.outbox()
    assert (await api("DELETE", "/v1/subscribers/alice")).status_code == 204
    [event] = await api.outbox()
    assert (event.type, msgspec.json.decode(event.data)) == ("subscriber.deleted", {"subscriber": "alice"})

    assert (await api("GET", "/v1/subscribers/alice")).status_code == 404
    assert (await api("DELETE", "/v1/subscribers/alice")).status_code == 404
    assert [item["id"] for item in (await api.ok("GET", "/v1/topics/news/subscribers"))["items"]] == ["bob"]
    assert ((await api.ok("GET", "/v1/topics/news"))["members"], (await api.ok("GET", "/v1/topics/sports"))["members"]) == (1, 0)
    row = await api.database.system.fetchrow("SELECT * FROM subscribers WHERE project = $1 AND external_id = 'alice'", api.tenant.id)
    assert (row["email"], row["name"], row["attributes"]) == (None, None, "{}")
    left = await api.database.system.fetch(
        "SELECT position FROM topic_members AS m JOIN topic_changes AS c ON c.id = m.removed_by WHERE subscriber = $1", row["id"]
    )
    assert [record["position"] for record in left] == [event.position] * 2


async def test_another_projects_people_are_not_found(api: Api) -> None:
    await api.database.system.execute(
        "INSERT INTO subscribers (project, external_id, created_by) SELECT id, 'stranger', 'test' FROM projects WHERE id <> $1",
        api.tenant.id,
    )
    assert (await api("GET", "/v1/subscribers/stranger")).status_code == 404
    assert (await api("PATCH", "/v1/subscribers/stranger", {})).status_code == 404
    assert (await api("DELETE", "/v1/subscribers/stranger")).status_code == 404
    assert (await api.ok("GET", "/v1/subscribers?id=stranger"))["items"] == []


async def ensure(api: Api, *names: str, strict: bool = False) -> dict[str, int]:
    async with tenant_transaction(api.database, api.tenant.id) as connection:
        return await ensure_subscribers(connection, api.tenant.id, names, "test", strict)


async def test_the_unknown_are_created_and_the_known_found(api: Api) -> None:
    first = await ensure(api, "bob", "alice", "bob")
    assert (await ensure(api, "charlie", "alice", "bob")).items() > first.items()
    assert await ensure(api, "alice", "bob") == first


async def test_strict_names_the_unknown(api: Api) -> None:
    await ensure(api, "alice")
    with pytest.raises(Invalid, match="'dora'") as caught:
        await ensure(api, "alice", "dora", strict=True)
    assert caught.value.field == "to"


async def test_many_naming_the_same_new_people_at_once_agree_on_them(api: Api) -> None:
    names = [f"p{number}" for number in range(50)]
    answers = await asyncio.gather(*(ensure(api, *(names if turn % 2 else reversed(names))) for turn in range(12)))
    assert all(answer == answers[0] for answer in answers)
    assert len(answers[0]) == 50
