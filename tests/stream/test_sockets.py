"""What clients do with their sockets: a stream opens and ends the same, whatever way its bytes take."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest
from stream.raw import Raw, head, raw
from stream_ground import Ground
from stream_house import House
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tidings.stream.connection import MOST_IGNORED
from tidings.stream.protocol import MOST_UNPARSED, StreamingProtocol


@pytest.fixture
async def detaching(ground: Ground, stack: AsyncExitStack) -> House:
    """A process whose sockets leave the framework."""
    return await ground.open(stack)


async def streams(house: House, client: Raw, subscriber: str = "alice") -> None:
    """A live stream, and events come."""
    await client.until(b"event: ready")
    await house.publish("hello", subscriber)
    await client.until(b'"hello"')


async def closed(house: House, subscriber: str = "alice") -> None:
    """Nothing is left of it."""
    owner = await house.inner(subscriber)
    await house.until(lambda: not house.edge.hub.of(owner) and not house.edge.admission.subscribers)


# Requests as they come


async def test_a_request_may_come_byte_by_byte(house: House) -> None:
    async with raw(house.url) as client:
        for byte in await head(house, "alice"):
            await client.send(bytes((byte,)))
            await asyncio.sleep(0)
        await streams(house, client)


@pytest.mark.parametrize("connection", ["close", "keep-alive"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_every_version_gets_a_stream(house: House, version: str, connection: str) -> None:
    async with raw(house.url) as client:
        await client.send(await head(house, "alice", f"Connection: {connection}", version=version))
        await streams(house, client)


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_a_detached_stream_has_no_chunks_and_ends_with_its_connection(detaching: House, version: str) -> None:
    async with raw(detaching.url) as client:
        await client.send(await head(detaching, "alice", version=version))
        await streams(detaching, client)
    answer, _, body = client.received.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in answer.lower()
    assert b"connection: close" in answer
    assert body.startswith(b"retry: ")


async def test_many_headers_are_no_trouble(house: House) -> None:
    async with raw(house.url) as client:
        await client.send(await head(house, "alice", *(f"X-Header-{number}: {'v' * 40}" for number in range(200))))
        await streams(house, client)


@pytest.mark.parametrize("more", ["X: " + "x" * 2 * MOST_UNPARSED, "X: x\r\n" * MOST_UNPARSED], ids=["one", "many"])
async def test_a_head_without_an_end_is_refused(detaching: House, more: str) -> None:
    async with raw(detaching.url) as client:
        await client.send((await head(detaching, "alice", more))[: MOST_UNPARSED + 1])
        assert (await client.end()).startswith(b"HTTP/1.1 431 ")
    assert not StreamingProtocol.awaiting


async def test_trailers_without_an_end_are_refused(detaching: House) -> None:
    async with raw(detaching.url) as client:
        await client.send(await head(detaching, "alice", "Transfer-Encoding: chunked", method="POST", path="/v1/stream/ack"))
        await detaching.until(lambda: StreamingProtocol.uploading)
        await client.send(b"0\r\n" + (b"X: x\r\n" * MOST_UNPARSED)[: MOST_UNPARSED + 1])
        assert b"HTTP/1.1 200" not in await client.end()
    assert not StreamingProtocol.uploading


async def test_a_body_is_passed_over(house: House) -> None:
    for framing, body in (("Content-Length: 5", b"hello"), ("Transfer-Encoding: chunked", b"5\r\nhello\r\n0\r\n\r\n")):
        async with raw(house.url) as client:
            await client.send(await head(house, "alice", framing) + body)
            await streams(house, client)


async def test_a_body_that_follows_is_passed_over(detaching: House) -> None:
    async with raw(detaching.url) as client:
        await client.send(await head(detaching, "alice", "Content-Length: 5"))
        await client.until(b"event: ready")
        await client.send(b"hello")
        await streams(detaching, client)


async def test_who_expects_to_be_asked_for_the_body_is_answered_without(house: House) -> None:
    async with raw(house.url) as client:
        await client.send(await head(house, "alice", "Expect: 100-continue", "Content-Length: 5"))
        await streams(house, client)
        assert client.received.startswith(b"HTTP/1.1 200 ")


async def test_other_methods_open_nothing_and_the_connection_goes_on(house: House) -> None:
    async with raw(house.url) as client:
        await client.send(await head(house, "alice", method="HEAD"))
        await client.until(b"\r\n\r\n")
        await client.send(await head(house, "alice", "Content-Length: 0", method="POST"))
        await client.until(b"405 ", 2)
        await client.send(await head(house, "alice"))
        await streams(house, client)
        assert len(house.edge.hub.everyone()) == 1


# Requests before and behind


async def test_a_stream_follows_other_requests_and_refusals_on_its_connection(house: House) -> None:
    async with raw(house.url) as client:
        await client.send(await head(house, "alice", path="/v1/stream/poll"))
        await client.until(b'"cursor"')
        await client.send(b"GET /v1/stream HTTP/1.1\r\nHost: x\r\n\r\n")
        await client.until(b"HTTP/1.1 401 ")
        await client.until(b'"status":401')
        await client.send(await head(house, "alice", path="/v1/stream?cursor=yesterday"))
        await client.until(b'"status":400')
        await client.send(await head(house, "alice"))
        await streams(house, client)


async def test_a_request_in_front_in_the_same_packet_is_answered_first(house: House) -> None:
    async with raw(house.url) as client:
        await client.send(await head(house, "alice", path="/v1/stream/poll") + await head(house, "alice"))
        await streams(house, client)
    assert client.received.index(b'"cursor"') < client.received.index(b"event: ready")


@pytest.mark.parametrize("behind", ["", "Content-Length: 10"], ids=["whole", "begun"])
async def test_a_request_behind_in_the_same_packet_gets_no_answer(detaching: House, behind: str) -> None:
    """The stream's head says `connection: close`: whoever pipelined it sends it again elsewhere."""
    async with raw(detaching.url) as client:
        more = await head(detaching, "alice", *filter(None, [behind]), path="/v1/stream/poll")
        await client.send(await head(detaching, "alice") + more)
        await streams(detaching, client)
        assert client.received.count(b"HTTP/1.1") == 1
    assert not StreamingProtocol.awaiting
    assert not StreamingProtocol.uploading


async def test_a_request_behind_waits_for_the_end_where_sockets_stay(ground: Ground, stack: AsyncExitStack) -> None:
    house = await ground.open(stack, H11Protocol)
    async with raw(house.url) as client:
        await client.send(await head(house, "alice") + await head(house, "alice", path="/v1/stream/poll"))
        await streams(house, client)
        assert client.received.count(b"HTTP/1.1") == 1
        for connection in house.edge.hub.everyone():
            connection.close("revoked")
        await client.until(b"HTTP/1.1 200", 2)


# Offers to speak something else

OFFERS = {
    "h2c": ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAIAAAAAAAMAAAAAAAQBAAAAAAUAAEAAAAYABgAA"),
    "websocket": ("Connection: Upgrade", "UPGRADE: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA=="),
}


@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS.keys())
async def test_an_offer_to_upgrade_is_passed_over(detaching: House, offer: tuple[str, ...]) -> None:
    body = b'{"device":"phone","received":"%s"}' % str(detaching.edge.position(detaching.tenant.shard)).encode()
    framing = f"Content-Length: {len(body)}", "Content-Type: application/json"
    async with raw(detaching.url) as client:
        await client.send(await head(detaching, "alice", *offer, *framing, method="POST", path="/v1/stream/ack") + body)
        await client.until(b'"device":"phone"')
        await client.send(await head(detaching, "alice", *offer))
        await streams(detaching, client)
        assert client.received.count(b"HTTP/1.1 200") == 2


async def test_http_2_without_asking_is_told_off(house: House) -> None:
    async with raw(house.url) as client:
        await client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert not (await client.end()).startswith(b"HTTP/1.1 200")


# Clients that leave, or half leave, or talk back


async def test_a_half_closed_connection_is_the_end(house: House) -> None:
    async with raw(house.url) as client:
        await client.send(await head(house, "alice"))
        await client.until(b"event: ready")

        client.half_close()

        await closed(house)
        await client.end()


async def test_a_request_and_a_half_close_in_one_leave_nothing(house: House) -> None:
    async with raw(house.url) as client:
        await client.send(await head(house, "alice"))
        client.half_close()
        await client.end()
        await closed(house)


async def test_a_half_closed_connection_that_does_not_read_is_cut_off(detaching: House) -> None:
    owner = await detaching.inner("alice")
    async with raw(detaching.url) as client:
        await client.send(await head(detaching, "alice"))
        await client.until(b"event: ready")
        (connection,) = detaching.edge.hub.of(owner)
        while not connection.transport.get_write_buffer_size():
            connection.write(b": " + b"x" * 30_000 + b"\n\n")
            await asyncio.sleep(0.01)
        client.half_close()
        await detaching.until(lambda: connection.transport.is_closing())
        connection.paused_at -= 31

        detaching.edge.hub.tick()

        await closed(detaching)


async def test_a_client_that_resets_leaves_nothing(house: House) -> None:
    async with raw(house.url) as client:
        await client.send(await head(house, "alice"))
        await client.until(b"event: ready")
        client.reset()
        await closed(house)


async def test_clients_gone_before_the_first_byte_leave_nothing(house: House) -> None:
    for _ in range(20):
        async with raw(house.url) as client:
            await client.send(await head(house, "alice"))
            client.reset()
    bob = await house.listen("bob")

    await house.until(lambda: house.edge.hub.wheel.count == 1 and not house.edge.hub.joining)
    await house.until(lambda: sum(house.edge.admission.subscribers.values()) == 1)
    bob.drop()


async def test_a_little_chatter_is_passed_over_and_a_lot_ends_the_stream(detaching: House) -> None:
    async with raw(detaching.url) as client:
        await client.send(await head(detaching, "alice"))
        await client.until(b"event: ready")
        await client.send(b"\x00\xff garbage\r\n" * 100)
        await streams(detaching, client)

        await client.send(b"x" * (MOST_IGNORED + 1))

        await closed(detaching)


async def test_garbage_ends_a_stream_whose_socket_stayed(ground: Ground, stack: AsyncExitStack) -> None:
    house = await ground.open(stack, HttpToolsProtocol)
    async with raw(house.url) as client:
        await client.send(await head(house, "alice"))
        await client.until(b"event: ready")
        await client.send(b"\x00\xff garbage\r\n\r\n")
        await closed(house)


# Clients that do not read


async def test_a_client_that_does_not_read_is_cut_off_and_disturbs_nobody(ground: Ground, stack: AsyncExitStack, way: Any) -> None:
    house = await ground.open(stack, way, connection_buffer_bytes=1_000_000)
    owner = await house.inner("slow")
    reader = await house.listen("reader")
    async with raw(house.url) as slow:
        await slow.send(await head(house, "slow"))
        await slow.until(b"event: ready")

        sent = 0
        while house.edge.hub.of(owner):
            await house.publish("x" * 500_000, "slow", "reader")
            assert await reader.titles(1) == ["x" * 500_000]
            sent += 1
            assert sent < 100, "memory is not bounded"

    assert not house.edge.hub.paused


async def test_what_waits_for_a_client_that_does_not_read_goes_with_it_in_time(house: House) -> None:
    owner = await house.inner("slow")
    async with raw(house.url) as slow:
        await slow.send(await head(house, "slow"))
        await slow.until(b"event: ready")
        (connection,) = house.edge.hub.of(owner)
        while not house.edge.hub.paused:
            connection.write(b": " + b"x" * 60_000 + b"\n\n")
            await asyncio.sleep(0.01)
        connection.close("revoked")
        assert connection in house.edge.hub.paused
        connection.paused_at -= 31

        house.edge.hub.tick()

        await closed(house, "slow")
    assert not house.edge.hub.paused


async def test_a_slow_reader_gets_a_long_replay_whole(house: House) -> None:
    cursor = (await house.listen("alice")).ready["cursor"]
    for number in range(60):
        await house.publish(f"{number} " + "x" * 20_000, "alice")
    await house.settled()
    async with raw(house.url) as client:
        await client.send(await head(house, "alice", f"Last-Event-ID: {cursor}"))
        await client.until(b"event: ready")
        owner = await house.inner("alice")
        await house.until(lambda: len(house.edge.hub.of(owner)) == 2)
        await house.publish("live", "alice")

        received = await client.until(b'"live"')

    titles = [part.split(b'"', 1)[0].split()[0] for part in received.split(b'"title": "')[1:]]
    assert titles == [*(str(number).encode() for number in range(60)), b"live"]
