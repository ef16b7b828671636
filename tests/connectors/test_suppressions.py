"""Unsubscribing, and what the product sees of it, on a running Tidings."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from running import Project, Running

from tidings.deliveries.suppressions.store import suppress_addresses, suppressed
from tidings.deliveries.suppressions.structs import SuppressedChannel
from tidings.deliveries.suppressions.token import Unsubscriber, read_token, token_of
from tidings.platform.postgres import tenant_connection, tenant_transaction

# RFC 8058 §3.2: as a form, in either of its encodings.
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


async def subscriber(tidings: Running, project: Project, name: str = "alice", **fields: Any) -> int:
    """Their inner id."""
    await project.call("PUT", f"/v1/subscribers/{name}", {"email": f"{name}@example.com"} | fields)
    async with tenant_connection(tidings.database, project.id) as connection:
        return int(await connection.fetchval("SELECT id FROM subscribers WHERE external_id = $1 AND deleted_at IS NULL", name))


def link(project: Project, person: int, channel: SuppressedChannel = "email") -> str:
    return f"{project.base_url}/v1/unsubscribe/{token_of(Unsubscriber(project.id, person, channel))}"


async def reasons(project: Project, name: str = "alice") -> list[tuple[str, str]]:
    listed = await project.call("GET", f"/v1/subscribers/{name}/suppressions", expect=200)
    return [(one["channel"], one["reason"]) for one in listed["items"]]


@asynccontextmanager
async def asking(method: str, url: str, **options: Any) -> AsyncIterator[tuple[int, str, Any]]:
    """Without an API key, as a reader's browser and their mail program do."""
    async with aiohttp.ClientSession() as session, session.request(method, url, **options) as answer:
        yield answer.status, await answer.text(), answer.headers


async def test_opening_the_link_asks_and_takes_no_effect(tidings: Running, project: Project) -> None:
    """Filters open every link of a letter."""
    alice = await subscriber(tidings, project)
    async with asking("GET", link(project, alice), headers={"Accept-Language": "de-AT,de;q=0.9,en;q=0.8"}) as (status, page, headers):
        assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert '<html lang="de" dir="ltr">' in page
        assert '<form method="post">' in page and '<input type="hidden" name="List-Unsubscribe" value="One-Click">' in page
        assert "script" not in page
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert (headers["Cache-Control"], headers["Referrer-Policy"]) == ("no-store", "no-referrer")
    assert await reasons(project) == []


@pytest.mark.parametrize("as_multipart", [False, True])
async def test_one_click_unsubscribes(tidings: Running, project: Project, as_multipart: bool) -> None:
    alice = await subscriber(tidings, project)
    await subscriber(tidings, project, "bob")
    form = aiohttp.FormData(ONE_CLICK, default_to_multipart=as_multipart)
    for _ in range(2):
        async with asking("POST", link(project, alice), data=form if as_multipart else ONE_CLICK) as (status, page, _):
            assert status == 200
            assert "You will not get these messages any more." in page
        form = aiohttp.FormData(ONE_CLICK, default_to_multipart=as_multipart)
    assert await reasons(project) == [("email", "unsubscribed")]
    assert await reasons(project, "bob") == []
    assert await suppressed(tidings.database.system, project.id, "email", alice, "alice@example.com") == {"unsubscribed"}
    assert await suppressed(tidings.database.system, project.id, "sms", alice, "alice@example.com") == set()


async def test_the_page_speaks_arabic_from_right_to_left(tidings: Running, project: Project) -> None:
    alice = await subscriber(tidings, project)
    async with asking("GET", link(project, alice), headers={"Accept-Language": "xx, ar"}) as (_, page, _):
        assert '<html lang="ar" dir="rtl">' in page


async def test_a_token_that_was_changed_or_made_up_does_nothing(tidings: Running, project: Project) -> None:
    alice, bob = await subscriber(tidings, project), await subscriber(tidings, project, "bob")
    right = token_of(Unsubscriber(project.id, alice, "email"))
    raw = base64.urlsafe_b64decode(right + "=")
    swapped = token_of(Unsubscriber(project.id, bob, "email"))[:17] + right[17:]
    for token in (right[:-1], right + "AAAA", swapped, "x", "%00", "ä", "." * 39, base64.urlsafe_b64encode(raw[:13]).decode(), right[1:]):
        for method in ("GET", "POST"):
            async with asking(method, f"{project.base_url}/v1/unsubscribe/{token}") as (status, page, _):
                assert status == 404, token
                assert "This link is not complete." in page
    assert await reasons(project) == await reasons(project, "bob") == []


async def test_nobody_unsubscribes_anybody_by_changing_a_single_bit(tidings: Running, project: Project) -> None:
    raw = base64.urlsafe_b64decode(token_of(Unsubscriber(project.id, 12_345, "email")) + "=")
    assert read_token(base64.urlsafe_b64encode(raw).rstrip(b"=").decode()) == Unsubscriber(project.id, 12_345, "email")
    for bit in range(len(raw) * 8):
        changed = (int.from_bytes(raw, "big") ^ (1 << bit)).to_bytes(len(raw), "big")
        assert read_token(base64.urlsafe_b64encode(changed).rstrip(b"=").decode()) is None


async def test_whoever_is_gone_may_unsubscribe_and_whoever_comes_after_them_is_someone_new(tidings: Running, project: Project) -> None:
    old = await subscriber(tidings, project)
    url = link(project, old)
    await project.call("DELETE", "/v1/subscribers/alice")
    await subscriber(tidings, project)
    async with asking("POST", url, data=ONE_CLICK) as (status, _, _):
        assert status == 200
    assert await reasons(project) == []


async def test_the_product_sees_and_lifts_what_is_suppressed(tidings: Running, project: Project) -> None:
    alice = await subscriber(tidings, project, phone="+49 30 123456")
    for channel in ("email", "sms"):
        async with asking("POST", link(project, alice, channel), data=ONE_CLICK) as (status, _, _):
            assert status == 200
    async with tenant_transaction(tidings.database, project.id) as connection:
        await suppress_addresses(connection, project.id, "email", ["ALICE@example.com", "other@example.com"], "bounced")
        await suppress_addresses(connection, project.id, "email", ["alice@example.com"], "complained")
    assert await reasons(project) == [("email", "unsubscribed"), ("email", "bounced"), ("sms", "unsubscribed")]

    await project.call("DELETE", "/v1/subscribers/alice/suppressions?channel=email", expect=204)
    assert await reasons(project) == [("sms", "unsubscribed")]
    await project.call("DELETE", "/v1/subscribers/alice/suppressions", expect=204)
    await project.call("DELETE", "/v1/subscribers/alice/suppressions", expect=204)
    assert await reasons(project) == []
    assert await suppressed(tidings.database.system, project.id, "email", None, "other@example.com") == {"bounced"}


async def test_an_address_that_bounced_is_left_behind_with_it(tidings: Running, project: Project) -> None:
    await subscriber(tidings, project)
    async with tenant_transaction(tidings.database, project.id) as connection:
        await suppress_addresses(connection, project.id, "email", ["alice@example.com"], "bounced")
    await subscriber(tidings, project, email="alice@other.example")
    assert await reasons(project) == []
    await subscriber(tidings, project)
    assert await reasons(project) == [("email", "bounced")]


async def test_no_address_is_kept(tidings: Running, project: Project) -> None:
    async with tenant_transaction(tidings.database, project.id) as connection:
        await suppress_addresses(connection, project.id, "email", ["alice@example.com"], "bounced")
        row = await connection.fetchrow("SELECT * FROM suppressions")
    assert len(row["address_hash"]) == 32
    assert "alice" not in str(dict(row))


async def test_another_project_knows_nothing_of_it(tidings: Running, project: Project) -> None:
    other = await tidings.new_project()
    alice, theirs = await subscriber(tidings, project), await subscriber(tidings, other)
    async with tenant_transaction(tidings.database, project.id) as connection:
        await suppress_addresses(connection, project.id, "email", ["alice@example.com"], "bounced")
    async with asking("POST", link(project, alice), data=ONE_CLICK) as (status, _, _):
        assert status == 200
    assert await reasons(other) == []
    assert await suppressed(tidings.database.system, other.id, "email", theirs, "alice@example.com") == set()
    async with tenant_connection(tidings.database, other.id) as connection:
        assert await connection.fetchval("SELECT count(*) FROM suppressions") == 0
    # A token that names the one's subscriber in the other's project is of nobody.
    async with asking("POST", link(other, alice), data=ONE_CLICK) as (status, _, _):
        assert status == 200
    assert await reasons(other) == []


async def test_the_same_at_once_is_no_failure(tidings: Running, project: Project) -> None:
    alice = await subscriber(tidings, project)

    async def click() -> int:
        async with asking("POST", link(project, alice), data=ONE_CLICK) as (status, _, _):
            return status

    assert set(await asyncio.gather(*(click() for _ in range(8)))) == {200}
    assert await reasons(project) == [("email", "unsubscribed")]


async def test_what_is_wrong_is_said(project: Project) -> None:
    await project.call("GET", "/v1/subscribers/nobody/suppressions", expect=404)
    await project.call("DELETE", "/v1/subscribers/nobody/suppressions", expect=404)
    await project.call("PUT", "/v1/subscribers/alice", {})
    problem = await project.call("DELETE", "/v1/subscribers/alice/suppressions?channel=pigeon", expect=422)
    assert problem["field"] == "channel"


async def test_a_key_needs_the_scope(project: Project) -> None:
    await project.call("PUT", "/v1/subscribers/alice", {})
    made = await project.call("POST", "/v1/keys", {"name": "k", "scopes": ["subscribers:read"]})
    reader = {"Authorization": f"Bearer {made['secret']}"}
    await project.call("GET", "/v1/subscribers/alice/suppressions", expect=200, **reader)
    await project.call("DELETE", "/v1/subscribers/alice/suppressions", expect=403, **reader)
