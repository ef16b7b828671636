"""Who may open a stream, for how long, and how many of them."""

import hashlib
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from stream_ground import Ground
from stream_house import House, Told

TICKETS = "/v1/stream/tickets"


async def ticket_of(house: House, subscriber: str, ttl_s: int = 600) -> str:
    status, body = await house.post(TICKETS, await house.token(subscriber, ttl_s))
    assert status == 201
    return str(body["ticket"])


async def test_a_ticket_opens_a_stream_and_only_its_hash_is_kept(house: House) -> None:
    ticket = await ticket_of(house, "alice")
    stream = await house.listen_with({}, {"ticket": ticket})
    await house.publish("hello", "alice")

    assert await stream.titles(1) == ["hello"]
    kept = await house.database.system.fetchval("SELECT ticket_hash FROM stream_sessions WHERE project = $1", house.tenant.id)
    assert kept == hashlib.sha256(ticket.encode()).digest()


async def test_the_url_of_a_ticket_reopens_its_stream_and_the_older_connection_ends(house: House) -> None:
    ticket = await ticket_of(house, "alice")
    first = await house.listen_with({}, {"ticket": ticket})
    second = await house.listen_with({}, {"ticket": ticket})

    (told,) = await first.end()
    assert told == Told(None, "closed", {"reason": "reopened"})
    await house.publish("hello", "alice")
    assert await second.titles(1) == ["hello"]


async def test_a_session_reopened_at_another_process_ends_here(ground: Ground, stack: AsyncExitStack, way: Any) -> None:
    here = await ground.open(stack, way)
    there = await ground.join(stack, here.tenant)
    ticket = await ticket_of(here, "alice")
    first = await here.listen_with({}, {"ticket": ticket})

    await there.listen_with({}, {"ticket": ticket})

    assert [told.data for told in await first.end()] == [{"reason": "reopened"}]


async def test_a_ticket_not_used_at_once_or_unknown_or_of_an_ended_token_is_refused(house: House) -> None:
    late, ended = await ticket_of(house, "alice"), await ticket_of(house, "alice")
    for column, ticket in (("created_at", late), ("expires_at", ended)):
        await house.database.system.execute(
            f"UPDATE stream_sessions SET {column} = $2 WHERE ticket_hash = $1",
            *(hashlib.sha256(ticket.encode()).digest(), datetime.now(UTC) - timedelta(seconds=31)),
        )
    for ticket in (late, ended, "never-issued"):
        async with house.http.get(f"{house.url}/v1/stream", params={"ticket": ticket}) as response:
            assert response.status == 401
            assert "ticket" in (await response.json())["detail"]


async def test_a_ticket_does_not_outlive_a_revocation(house: House) -> None:
    ticket = await ticket_of(house, "alice")
    await house.database.system.execute("UPDATE subscribers SET tokens_valid_after = now() WHERE id = $1", await house.inner("alice"))

    async with house.http.get(f"{house.url}/v1/stream", params={"ticket": ticket}) as response:
        assert response.status == 401


async def test_the_cookie_opens_a_stream(house: House) -> None:
    token = await house.token("alice")
    async with house.http.post(f"{house.url}/v1/stream/cookie", headers={"Authorization": f"Bearer {token}"}) as response:
        assert response.status == 204
        cookie = response.cookies["tidings_stream"]
    assert (cookie["httponly"], cookie["path"], cookie["samesite"].lower()) == (True, "/v1/stream", "lax")
    house.http.cookie_jar.clear()

    stream = await house.listen_with({"Cookie": f"tidings_stream={cookie.value}"}, {})
    await house.publish("hello", "alice")

    assert await stream.titles(1) == ["hello"]


@pytest.mark.parametrize("path", ["/v1/stream", "/v1/stream/poll"])
async def test_a_token_in_the_url_is_refused_with_an_explanation(house: House, path: str) -> None:
    async with house.http.get(house.url + path, params={"token": await house.token("alice")}) as response:
        assert response.status == 400
        assert "ticket" in (await response.json())["detail"]


async def test_a_stream_ends_when_its_token_does(house: House) -> None:
    stream = await house.listen("alice", token=await house.token("alice", ttl_s=1))

    assert [told.data for told in await stream.end()] == [{"reason": "expired"}]


async def test_a_renewed_stream_goes_on(house: House) -> None:
    stream = await house.listen("alice", token=await house.token("alice", ttl_s=2))
    status, body = await house.post("/v1/stream/renew", await house.token("alice", ttl_s=600), {"stream": stream.ready["stream"]})

    assert status == 200
    (connection,) = house.edge.hub.of(await house.inner("alice"))
    assert abs(connection.expires_at - datetime.fromisoformat(body["expires_at"]).timestamp()) <= 1
    assert [second for second, due in house.edge.hub.wheel.expiring.items() if connection in due] == [connection.expires_at]


async def test_a_stream_is_renewed_through_any_process(ground: Ground, stack: AsyncExitStack, way: Any) -> None:
    here = await ground.open(stack, way)
    there = await ground.join(stack, here.tenant)
    stream = await here.listen("alice", token=await here.token("alice", ttl_s=30))
    (connection,) = here.edge.hub.of(await here.inner("alice"))
    before = connection.expires_at

    status, _ = await there.post("/v1/stream/renew", await there.token("alice", ttl_s=600), {"stream": stream.ready["stream"]})

    assert status == 200
    await here.until(lambda: connection.expires_at > before + 500)


async def test_a_stream_of_somebody_else_cannot_be_renewed(house: House) -> None:
    stream = await house.listen("alice")

    for foreign in (stream.ready["stream"], "str_00000000000000ff_aaaaaaaaaaaaaaaa", "nonsense"):
        status, _ = await house.post("/v1/stream/renew", await house.token("bob"), {"stream": foreign})
        assert status == 404


async def test_revoked_tokens_end_their_streams_and_no_others(house: House) -> None:
    alice, bob = await house.listen("alice"), await house.listen("bob")
    data = {"subscriber": "alice", "valid_after": datetime.now(UTC).isoformat()}

    await house.append("subscriber.tokens_revoked", data, recipients=[await house.inner("alice")])

    assert [told.data for told in await alice.end()] == [{"reason": "revoked"}]
    await house.publish("still here", "bob")
    assert await bob.titles(1) == ["still here"]


async def test_a_deleted_subscriber_has_no_streams(house: House) -> None:
    alice = await house.listen("alice")

    await house.append("subscriber.deleted", {"subscriber": "alice"}, recipients=[await house.inner("alice")])

    assert [told.data for told in await alice.end()] == [{"reason": "deleted"}]


async def test_a_revoked_public_key_ends_the_streams_that_rest_on_it(house: House) -> None:
    alice = await house.listen("alice")
    (connection,) = house.edge.hub.of(await house.inner("alice"))

    await house.append("public_key.revoked", {"kid": "pk_of_somebody_else"})
    await house.append("public_key.revoked", {"kid": connection.signed_by})

    assert [told.data for told in await alice.end()] == [{"reason": "revoked"}]


async def test_streams_of_a_subscriber_are_limited_over_all_processes(ground: Ground, stack: AsyncExitStack, way: Any) -> None:
    here = await ground.open(stack, way, streams_per_subscriber=2)
    there = await ground.join(stack, here.tenant, streams_per_subscriber=2)
    first = await here.listen("alice")
    await there.listen("alice")

    status, problem = await here.get("/v1/stream", "alice")
    assert (status, problem["limit"], problem["counted"]) == (429, "streams_per_subscriber", "deployment")

    first.drop()
    owner = await here.inner("alice")
    await here.until(lambda: not here.edge.hub.of(owner))
    await here.listen("alice")


async def test_streams_of_a_project_are_limited(ground: Ground, stack: AsyncExitStack) -> None:
    house = await ground.open(stack, streams_per_project=2)
    for name in ("alice", "bob"):
        await house.listen(name)

    status, problem = await house.get("/v1/stream", "charlie")

    assert (status, problem["limit"]) == (429, "streams_per_project")
