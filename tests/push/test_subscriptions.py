"""Browsers that take web pushes: shown, moved, listed, forgotten."""

import asyncio
import hashlib
from functools import partial
from typing import Any

import pytest
from push.browser import Browser, base64url, browser_of, browsers_of, new_subscription
from running import Project, Running, until

from tidings.access.principals import Tenant
from tidings.access.revocation import revoke_tokens
from tidings.platform.postgres import tenant_connection, tenant_transaction

HERE = "/v1/push/subscriptions"


async def test_a_browser_is_kept_under_an_id_of_its_endpoint(tidings: Running, project: Project, alice: Browser) -> None:
    subscription = new_subscription(expirationTime=1_800_000_000_000.5)
    first = await alice.call("PUT", HERE, subscription, expect=200)
    assert first["id"] == "psh_" + base64url(hashlib.sha256(subscription["endpoint"].encode()).digest())[:22]
    async with tenant_connection(tidings.database, project.id) as connection:
        row = await connection.fetchrow("SELECT * FROM push_subscriptions")
    assert row["endpoint"] == subscription["endpoint"]
    assert (base64url(row["p256dh"]), base64url(row["auth"])) == tuple(subscription["keys"].values())
    assert row["expires_at"].timestamp() == pytest.approx(1_800_000_000.0005)

    renewed = new_subscription(endpoint=subscription["endpoint"])
    del renewed["expirationTime"]
    again = await alice.call("PUT", HERE, renewed, expect=200)
    assert (again["id"], again["created_at"]) == (first["id"], first["created_at"])
    assert again["updated_at"] > first["updated_at"]
    async with tenant_connection(tidings.database, project.id) as connection:
        [row] = await connection.fetch("SELECT * FROM push_subscriptions")
    assert (base64url(row["auth"]), row["expires_at"]) == (renewed["keys"]["auth"], None)


async def test_the_product_sees_a_browser_but_not_its_endpoint(project: Project) -> None:
    alice = await browser_of(project, "alice", agent="Browser/1 " + "x" * 300)
    subscription = new_subscription()
    shown = await alice.call("PUT", HERE, subscription)
    listed = await project.call("GET", "/v1/subscribers/alice/push-subscriptions")
    assert listed == {"items": [shown | {"service": "push.example.net", "user_agent": ("Browser/1 " + "x" * 300)[:256]}]}
    await project.call("GET", "/v1/subscribers/nobody/push-subscriptions", expect=404)


async def test_a_browser_goes_with_whoever_signs_in_there(project: Project, alice: Browser, bob: Browser) -> None:
    subscription = new_subscription()
    identity = await alice.shows(subscription)
    assert await bob.shows(subscription) == identity
    assert await browsers_of(project, "alice") == []
    assert await browsers_of(project, "bob") == [identity]


async def test_the_same_browser_in_another_project_is_another(tidings: Running, project: Project, alice: Browser) -> None:
    subscription, other = new_subscription(), await tidings.new_project()
    identity = await alice.shows(subscription)
    theirs = await browser_of(other, "alice")
    assert await theirs.shows(subscription) == identity
    await theirs.call("DELETE", f"{HERE}/{identity}", expect=204)
    assert await browsers_of(other, "alice") == []
    assert await browsers_of(project, "alice") == [identity]


async def test_of_more_than_twenty_the_longest_unseen_goes(project: Project, alice: Browser) -> None:
    subscriptions = [new_subscription() for _ in range(20)]
    shown = [await alice.shows(subscription) for subscription in subscriptions]
    await alice.shows(subscriptions[0])
    newest = await alice.shows(new_subscription())
    assert await browsers_of(project, "alice") == [newest, shown[0], *reversed(shown[2:])]


async def test_twenty_stay_whatever_comes_at_once(project: Project, alice: Browser) -> None:
    await asyncio.gather(*(alice.shows(new_subscription()) for _ in range(30)))
    assert len(await browsers_of(project, "alice")) == 20


async def test_one_forgets_only_ones_own(project: Project, alice: Browser, bob: Browser) -> None:
    identity = await alice.shows(new_subscription())
    await bob.call("DELETE", f"{HERE}/{identity}", expect=204)
    assert await browsers_of(project, "alice") == [identity]
    for _ in range(2):
        await alice.call("DELETE", f"{HERE}/{identity}", expect=204)
    assert await browsers_of(project, "alice") == []


async def test_the_product_forgets_a_browser(project: Project, alice: Browser, bob: Browser) -> None:
    identity, theirs = await alice.shows(new_subscription()), await bob.shows(new_subscription())
    await project.call("DELETE", f"/v1/subscribers/alice/push-subscriptions/{theirs}", expect=404)
    await project.call("DELETE", f"/v1/subscribers/alice/push-subscriptions/{identity}", expect=204)
    await project.call("DELETE", f"/v1/subscribers/alice/push-subscriptions/{identity}", expect=404)
    await project.call("DELETE", f"/v1/subscribers/nobody/push-subscriptions/{identity}", expect=404)
    assert (await browsers_of(project, "alice"), await browsers_of(project, "bob")) == ([], [theirs])


async def test_a_key_needs_the_scope(project: Project, alice: Browser) -> None:
    identity = await alice.shows(new_subscription())
    made = await project.call("POST", "/v1/keys", {"name": "k", "scopes": ["subscribers:read"]})
    reader = {"Authorization": f"Bearer {made['secret']}"}
    path = "/v1/subscribers/alice/push-subscriptions"
    assert len((await project.call("GET", path, expect=200, **reader))["items"]) == 1
    await project.call("DELETE", f"{path}/{identity}", expect=403, **reader)
    await project.call("PUT", HERE, new_subscription(), expect=401)


@pytest.mark.parametrize("away", [("DELETE", "/v1/subscribers/alice"), ("POST", "/v1/subscribers/alice/tokens/revoke")])
async def test_whoever_is_deleted_or_signed_out_everywhere_gets_no_more_pushes(
    tidings: Running, project: Project, alice: Browser, bob: Browser, away: tuple[str, str]
) -> None:
    await alice.shows(new_subscription())
    theirs = await bob.shows(new_subscription())
    await project.call(*away)
    async with tenant_connection(tidings.database, project.id) as connection:
        assert [row["id"] for row in await connection.fetch("SELECT id FROM push_subscriptions")] == [theirs]
    await alice.call("PUT", HERE, new_subscription(), expect=401)


async def test_a_browser_that_subscribes_while_its_person_is_signed_out_is_refused(
    tidings: Running, project: Project, alice: Browser
) -> None:
    # So that the process knows her, and asks nobody whether the token still holds.
    await alice.shows(new_subscription())

    async with tenant_transaction(tidings.database, project.id) as connection:
        await revoke_tokens(connection, Tenant(project.id, project.key, project.shard), "alice", "key:test")
        subscribing = asyncio.create_task(alice.call("PUT", HERE, new_subscription(), expect=401))
        await until(partial(someone_waits_for, tidings, connection.get_server_pid()), what="the browser waits")
    assert "revoked" in (await subscribing)["detail"]
    assert await browsers_of(project, "alice") == []


async def someone_waits_for(tidings: Running, backend: int) -> bool:
    blocked = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND $1 = ANY (pg_blocking_pids(pid)))"
    return bool(await tidings.database.system.fetchval(blocked, backend))


def without(member: str) -> dict[str, Any]:
    return {name: value for name, value in new_subscription().items() if name != member}


def with_keys(**other: Any) -> dict[str, Any]:
    return new_subscription(keys=new_subscription()["keys"] | other)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (without("endpoint"), "endpoint"),
        (new_subscription(endpoint="http://push.example.net/x"), "endpoint"),
        (new_subscription(endpoint="https://user@push.example.net/x"), "endpoint"),
        (new_subscription(endpoint="https://user:pass@push.example.net/x"), "endpoint"),
        (new_subscription(endpoint="https://push.example.net\\@evil.example/x"), "endpoint"),
        (new_subscription(endpoint="https:///x"), "endpoint"),
        (new_subscription(endpoint="https://[::1/x"), "endpoint"),
        (new_subscription(endpoint="https://push.example.net:99999/x"), "endpoint"),
        (new_subscription(endpoint="https://push.example.net/x\n"), "endpoint"),
        (new_subscription(endpoint="https://push.example.net/" + "x" * 2048), "endpoint"),
        (new_subscription(endpoint=None), "endpoint"),
        (new_subscription(expirationTime="soon"), "expirationTime"),
        (new_subscription(expirationTime=-1), "expirationTime"),
        (new_subscription(expirationTime=1e300), "expirationTime"),
        (new_subscription(expiration_time=None), "expiration_time"),
        (without("keys"), "keys"),
        (with_keys(auth="c2hvcnQ"), "keys.auth"),
        (with_keys(auth="!" * 22), "keys.auth"),
        (with_keys(p256dh="c2hvcnQ"), "keys.p256dh"),
        (with_keys(p256dh="A" * 87), "keys.p256dh"),
        (with_keys(p256dh=base64url(b"\x04" + b"\x01" * 64)), "keys.p256dh"),
        (with_keys(other="x"), "other"),
        (new_subscription(device="mine"), "device"),
    ],
)
async def test_a_wrong_member_is_named(alice: Browser, body: dict[str, Any], field: str) -> None:
    problem = await alice.call("PUT", HERE, body, expect=422)
    assert problem["field"] == field


async def test_an_unreadable_id_is_nothing_to_forget(alice: Browser) -> None:
    await alice.call("DELETE", f"{HERE}/{'x' * 500}", expect=204)
    await alice.call("DELETE", f"{HERE}/%00", expect=422)
