"""API keys: made, used, rotated, revoked."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from in_process import Api

from tidings.access import secret as secrets
from tidings.access.cache import AccessCache
from tidings.access.secret import ALPHABET, PREFIX, is_well_formed, new_secret
from tidings.errors import Unauthenticated


def test_a_secret_carries_160_bits_and_its_checksum() -> None:
    assert 62**secrets.RANDOM_LENGTH >= 2**160
    made = {new_secret() for _ in range(200)}
    assert len(made) == 200
    assert all(is_well_formed(one) for one in made)


@given(st.integers(0, 32), st.sampled_from(ALPHABET))
def test_one_wrong_character_is_always_noticed(place: int, letter: str) -> None:
    secret = new_secret()
    body = secret.removeprefix(PREFIX)
    wrong = PREFIX + body[:place] + letter + body[place + 1 :]
    assert is_well_formed(wrong) == (wrong == secret)


@given(st.text())
def test_any_text_is_either_refused_or_has_the_shape_of_a_key(text: str) -> None:
    assert not is_well_formed(text)
    assert not is_well_formed(PREFIX + text)


async def test_a_malformed_key_is_refused_without_the_database(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(api.access.key_lookups, "get", asked.append)
    answer = await api("GET", "/v1/keys", key=api.secret[:-1] + ("0" if api.secret[-1] != "0" else "1"))
    assert answer.status_code == 401
    assert "checksum" in answer.json()["detail"]
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert asked == []


async def test_only_a_keyed_hash_of_the_secret_is_stored(api: Api) -> None:
    rows = await api.database.system.fetch("SELECT api_keys::text AS everything FROM api_keys")
    assert rows
    assert not any(api.secret[len(PREFIX) + 6 :] in row["everything"] for row in rows)


@pytest.mark.parametrize("credential", ["Basic YTpi", "Bearer", "Bearer  ", "Bearer a b", "Bearer ä"])
async def test_a_wrong_authorization_header_is_refused(api: Api, credential: str) -> None:
    answer = await api.client.get("/v1/keys", headers={"Authorization": credential.encode()})
    assert answer.status_code == 401


async def test_without_a_credential_the_answer_says_what_to_send(api: Api) -> None:
    answer = await api.client.get("/v1/keys")
    assert answer.status_code == 401
    assert "Authorization" in answer.json()["detail"]


async def test_a_missing_scope_is_named(api: Api) -> None:
    reader = await api.key("keys:read")
    assert (await api("GET", "/v1/keys", key=reader)).status_code == 200
    refused = await api("POST", "/v1/keys", {"name": "x", "scopes": ["keys:read"]}, key=reader)
    assert refused.status_code == 403
    assert refused.json()["scope"] == "keys:write"


async def test_a_key_gives_only_scopes_that_it_has(api: Api) -> None:
    writer = await api.key("keys:write", "topics:read")
    assert (await api("POST", "/v1/keys", {"name": "x", "scopes": ["topics:read"]}, key=writer)).status_code == 201
    refused = await api("POST", "/v1/keys", {"name": "x", "scopes": ["*"]}, key=writer)
    assert (refused.status_code, refused.json()["scope"]) == (403, "*")


async def test_a_narrow_key_cannot_rotate_a_mightier_one(api: Api) -> None:
    writer = await api.key("keys:write")
    mighty = (await api.ok("GET", "/v1/keys"))["items"][0]
    assert mighty["scopes"] == ["*"]
    assert (await api("POST", f"/v1/keys/{mighty['key']}/rotate", {}, key=writer)).status_code == 403


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "x", "scopes": ["everything"]}, "scopes[0]"),
        ({"name": "x", "scopes": []}, "scopes"),
        ({"name": "", "scopes": ["*"]}, "name"),
        ({"name": "x\n", "scopes": ["*"]}, "name"),
        ({"name": "x", "scopes": ["*"], "expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"name": "x", "scopes": ["*"], "color": "red"}, "color"),
        ({"scopes": ["*"]}, "name"),
    ],
)
async def test_a_wrong_field_is_named(api: Api, body: dict[str, Any], field: str) -> None:
    answer = await api("POST", "/v1/keys", body)
    assert answer.status_code == 422
    assert answer.json()["field"] == field


async def test_a_revoked_key_is_refused_in_every_process_once_the_log_says_so(api: Api) -> None:
    elsewhere = AccessCache(api.database, api.settings)
    secret = await api.key("*")
    key = (await elsewhere.key_holder(secret)).key
    await api.ok("DELETE", f"/v1/keys/{key}")
    assert (await api("GET", "/v1/keys", key=secret)).status_code == 401

    assert not elsewhere.key_revoked(key)
    await api.follow(elsewhere)
    assert elsewhere.key_revoked(key)
    with pytest.raises(Unauthenticated, match="revoked"):
        await elsewhere.key_holder(secret)


async def test_revoking_twice_tells_the_log_once(api: Api) -> None:
    await api.key("*")
    key = (await api.ok("GET", "/v1/keys"))["items"][-1]["key"]
    await api.outbox()
    assert (await api("DELETE", f"/v1/keys/{key}")).status_code == 204
    assert (await api("DELETE", f"/v1/keys/{key}")).status_code == 204
    assert [event.type for event in await api.outbox()] == ["key.revoked"]


async def test_a_rotated_key_works_until_the_overlap_ends(api: Api) -> None:
    old = await api.key("topics:read")
    info = (await api.ok("GET", "/v1/keys"))["items"][-1]
    new = await api.ok("POST", f"/v1/keys/{info['key']}/rotate", {"overlap": 1000})
    await api.follow()
    assert new["scopes"] == ["topics:read"]
    assert (await api("GET", "/v1/topics", key=old)).status_code == 200
    assert (await api("GET", "/v1/topics", key=new["secret"])).status_code == 200
    listed = {item["key"]: item for item in (await api.ok("GET", "/v1/keys"))["items"]}
    assert listed[info["key"]]["replaced_by"] == new["key"]
    ends_in = datetime.fromisoformat(listed[info["key"]]["expires_at"]) - datetime.now(UTC)
    assert timedelta(seconds=990) < ends_in < timedelta(seconds=1000)
    assert (await api("POST", f"/v1/keys/{info['key']}/rotate")).status_code == 409


async def test_a_key_rotated_without_overlap_ends_now(api: Api) -> None:
    old = await api.key("topics:read")
    key = (await api.access.key_holder(old)).key
    await api.ok("POST", f"/v1/keys/{key}/rotate", {"overlap": 0})
    await api.follow()
    assert api.access.key_revoked(key)
    answer = await api("GET", "/v1/topics", key=old)
    assert (answer.status_code, answer.json()["reason"]) == (401, "expired")


async def test_the_secret_is_shown_once_also_when_the_request_is_repeated(api: Api) -> None:
    body = {"name": "once", "scopes": ["*"]}
    first = await api.ok("POST", "/v1/keys", body, Idempotency_Key="k1")
    again = await api("POST", "/v1/keys", body, Idempotency_Key="k1")
    assert again.status_code == 201
    assert again.json()["key"] == first["key"]
    assert "secret" not in again.json()
    assert "shown once" in again.json()["note"]
    assert (await api("POST", "/v1/keys", body | {"name": "other"}, Idempotency_Key="k1")).status_code == 422


async def test_another_projects_key_is_not_found(api: Api) -> None:
    from_elsewhere = await stranger(api)
    assert (await api("DELETE", f"/v1/keys/{from_elsewhere}")).status_code == 404
    assert (await api("POST", f"/v1/keys/{from_elsewhere}/rotate")).status_code == 404


async def stranger(api: Api) -> str:
    found = await api.database.system.fetchval("SELECT key FROM api_keys WHERE project <> $1 LIMIT 1", api.tenant.id)
    return str(found)


async def test_when_a_key_was_last_used_is_written_in_batches(api: Api) -> None:
    for secret in [await api.key("topics:read") for _ in range(3)]:
        await api.ok("GET", "/v1/topics", key=secret)
    assert not any(used(await api.ok("GET", "/v1/keys")))
    await api.access.flush()
    assert all(used(await api.ok("GET", "/v1/keys")))


def used(page: dict[str, Any]) -> Sequence[Any]:
    return [item["last_used_at"] for item in page["items"]]


async def test_keys_are_listed_page_by_page(api: Api) -> None:
    for _ in range(6):
        await api.key("topics:read")
    everything = [item["key"] for item in (await api.ok("GET", "/v1/keys"))["items"]]
    paged: list[str] = []
    after = ""
    while after is not None:
        page = await api.ok("GET", f"/v1/keys?limit=3{after and '&after=' + after}")
        paged += [item["key"] for item in page["items"]]
        after = page["next"]
    assert paged == everything
    assert len(paged) == 7


@pytest.mark.parametrize(
    "url", ["/v1/topics?api_key=tdk_x", "/v1/topics?token=abc", "/v1/topics?limit=1&ACCESS_TOKEN=x", "/v1/topics?q=tdk_abc"]
)
async def test_a_long_lived_credential_in_the_url_is_refused_with_an_explanation(api: Api, url: str) -> None:
    answer = await api("GET", url)
    assert answer.status_code == 400
    assert "Authorization: Bearer" in answer.json()["detail"]


async def test_an_unknown_key_is_asked_for_once(api: Api) -> None:
    invented = new_secret()
    for _ in range(3):
        assert (await api("GET", "/v1/topics", key=invented)).json()["reason"] == "unknown"
    entry = api.access.keys.get(secrets.hash_of(invented))
    assert entry is not None
    assert entry.value is None
