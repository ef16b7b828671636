"""What the edge lives through: clients that misbehave, and servers that go away."""

import asyncio
import contextlib
import socket
import struct
from contextlib import AsyncExitStack
from typing import Any

from stream_ground import Ground
from stream_house import House, Stream

from tidings.events.live import stream_key
from tidings.platform.redis import open_redis
from tidings.stream.protocol import StreamingProtocol


async def raw_request(house: House, subscriber: str, extra: str = "", version: str = "1.1") -> socket.socket:
    """A stream whose answer nobody has read yet. Small buffers, so that not reading shows soon."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setblocking(False)
    loop = asyncio.get_running_loop()
    host, _, port = house.url.removeprefix("http://").partition(":")
    await loop.sock_connect(connection, (host, int(port)))
    request = f"GET /v1/stream HTTP/{version}\r\nHost: x\r\nAuthorization: Bearer {await house.token(subscriber)}\r\n{extra}\r\n"
    await loop.sock_sendall(connection, request.encode())
    return connection


async def test_a_client_that_does_not_read_is_cut_off_and_disturbs_nobody(ground: Ground, stack: AsyncExitStack) -> None:
    house = await ground.open(stack, connection_buffer_bytes=65536)
    owner = await house.inner("slow")
    slow = await raw_request(house, "slow")
    await house.until(lambda: house.edge.hub.of(owner))
    reader = await house.listen("reader")

    sent = 0
    while house.edge.hub.of(owner):
        await house.publish("x" * 50_000, "slow", "reader")
        assert await reader.titles(1) == ["x" * 50_000]
        sent += 1
        assert sent < 1000, "memory is not bounded"

    assert not house.edge.hub.paused
    slow.close()


async def test_a_slow_reader_gets_a_long_replay_whole(house: House) -> None:
    cursor = (await house.listen("alice")).ready["cursor"]
    for number in range(60):
        await house.publish(f"{number} " + "x" * 20_000, "alice")
    await house.settled()

    stream = await house.listen("alice", cursor)
    owner = await house.inner("alice")
    await house.until(lambda: len(house.edge.hub.of(owner)) == 2)
    await house.publish("live", "alice")

    assert [title.split()[0] for title in await stream.titles(61)] == [*map(str, range(60)), "live"]


async def test_a_client_gone_before_the_first_byte_leaves_nothing(ground: Ground, stack: AsyncExitStack) -> None:
    house = await ground.open(stack)
    for _ in range(20):
        connection = await raw_request(house, "alice")
        # A reset, not a polite end.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    await house.listen("bob")

    await house.until(lambda: house.edge.hub.wheel.count == 1 and not house.edge.hub.joining)
    await house.until(lambda: sum(house.edge.admission.subscribers.values()) == 1)


async def test_a_stream_that_ends_frees_everything(house: House) -> None:
    topic = await house.topic("alice")
    await house.settled()
    streams = [await house.listen("alice") for _ in range(3)]
    hub = house.edge.hub
    assert len(hub.topics[topic]) == 3

    for stream in streams:
        stream.drop()

    await house.until(lambda: hub.wheel.count == 0)
    assert not hub.subscribers
    assert not hub.topics.get(topic)
    assert not hub.projects.get(house.tenant.id)
    assert not hub.wheel.expiring
    assert not house.edge.admission.subscribers


async def test_a_client_that_talks_back_is_cut_off(ground: Ground, stack: AsyncExitStack) -> None:
    house = await ground.open(stack)
    owner = await house.inner("alice")
    connection = await raw_request(house, "alice")
    await house.until(lambda: house.edge.hub.of(owner))
    try:
        while house.edge.hub.of(owner):
            await asyncio.get_running_loop().sock_sendall(connection, b"x" * 8192)
    except ConnectionError:
        pass
    await house.until(lambda: not house.edge.hub.of(owner))
    connection.close()


async def test_http_1_0_and_a_pipelined_request_get_a_plain_stream(ground: Ground, stack: AsyncExitStack) -> None:
    house = await ground.open(stack)
    owner = await house.inner("alice")
    loop = asyncio.get_running_loop()
    behind = "\r\nGET /v1/stream/poll HTTP/1.1\r\nHost: x\r\n"
    for version, extra in (("1.0", ""), ("1.1", behind)):
        connection = await raw_request(house, "alice", extra, version)
        await house.until(lambda: house.edge.hub.of(owner))
        await house.publish("hello", "alice")
        received = b""
        async with asyncio.timeout(15):
            while b"hello" not in received:
                received += await loop.sock_recv(connection, 4096)
        assert b"transfer-encoding" not in received.lower()
        assert received.count(b"HTTP/1.1") == 1
        connection.close()
        await house.until(lambda: not house.edge.hub.of(owner))


async def test_a_request_head_that_is_not_completed_is_closed(ground: Ground, stack: AsyncExitStack) -> None:
    house = await ground.open(stack)
    host, _, port = house.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /v1/stream HTTP/1.1\r\nHost: x\r\n")
    await writer.drain()
    await house.until(lambda: StreamingProtocol.awaiting)

    StreamingProtocol.close_overdue(asyncio.get_running_loop().time() + 16)

    async with asyncio.timeout(5):
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
    writer.close()


async def test_a_body_that_does_not_come_is_cut_off(ground: Ground, stack: AsyncExitStack) -> None:
    house = await ground.open(stack)
    loop = asyncio.get_running_loop()
    host, _, port = house.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST /v1/stream/ack HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {await house.token('alice')}\r\nContent-Length: 1000\r\n"
    writer.write(head.encode() + b"Content-Type: application/json\r\n\r\n{")
    await house.until(lambda: StreamingProtocol.uploading)

    StreamingProtocol.close_overdue(loop.time() + 59)
    assert StreamingProtocol.uploading
    StreamingProtocol.close_overdue(loop.time() + 61)

    with contextlib.suppress(ConnectionResetError):
        assert await reader.read() == b""
    assert not StreamingProtocol.uploading
    writer.close()


async def test_a_drain_sends_streams_away_and_takes_no_new_ones(house: House) -> None:
    streams = [await house.listen(f"s{number}") for number in range(20)]

    draining = asyncio.create_task(house.edge.drain())
    ends = [await stream.end() for stream in streams]
    await draining

    assert {(end[-1].event, end[-1].data["reason"]) for end in ends} == {("reconnect", "drain")}
    assert house.edge.is_draining
    assert (await house.get("/v1/stream", "alice"))[0] == 503


async def test_events_arrive_after_valkey_lost_everything(house: House) -> None:
    alice = await house.listen("alice")
    redis = open_redis(house.edge.settings.redis_url or "")

    await redis.flushall()
    await house.publish("after", "alice")

    assert await alice.titles(1) == ["after"]
    await redis.aclose()


async def test_a_hole_in_the_stream_is_filled_from_the_log(ground: Ground, stack: AsyncExitStack) -> None:
    house = await ground.open(stack)
    alice = await house.listen("alice")
    shard = house.edge.shard(house.tenant.shard)
    redis = open_redis(ground.settings.redis_url or "")
    async with shard.appending:
        for number in range(5):
            await house.publish(str(number), "alice")
        head = 0
        while head < shard.position + 5:
            newest = await redis.xrevrange(stream_key(shard.epoch, shard.number), count=1)
            head = int(newest[0][0].split(b"-")[0]) if newest else 0
        # A failover lost all but the last.
        await redis.xtrim(stream_key(shard.epoch, shard.number), maxlen=1, approximate=False)
    await redis.aclose()

    assert await alice.titles(5) == [str(number) for number in range(5)]


async def test_streams_stay_open_and_go_on_while_valkey_is_away(ground: Ground, stack: AsyncExitStack) -> None:
    house = await ground.open(stack)
    alice, bob = await house.listen("alice"), await house.listen("bob")
    await ground.stop_valkey()
    try:
        for number in range(5):
            await house.publish(str(number), "alice")
        assert await alice.titles(5) == [str(number) for number in range(5)]
        assert house.edge.redis_away

        # Opened meanwhile, and counted by this process alone.
        charlie = await house.listen("charlie", alice.ready["cursor"])
        for _ in range(house.edge.settings.streams_per_subscriber - 1):
            await house.listen("bob")
        status, problem = await house.get("/v1/stream", "bob")
        assert (status, problem["counted"]) == (429, "process")
        await house.append(
            "subscriber.tokens_revoked",
            {"subscriber": "charlie", "valid_after": "2100-01-01T00:00:00Z"},
            recipients=[await house.inner("charlie")],
        )
        assert [told.data for told in await charlie.end()] == [{"reason": "revoked"}]
    finally:
        await ground.start_valkey()
    await house.publish("back", "alice", "bob")
    assert await alice.titles(1) == ["back"]
    assert await bob.titles(1) == ["back"]
    await house.until(lambda: not house.edge.redis_away)


async def test_the_edge_starts_without_valkey_and_replays_from_the_log(ground: Ground, stack: AsyncExitStack) -> None:
    first = await ground.open(stack)
    cursor = (await first.listen("alice")).ready["cursor"]
    await first.publish("missed", "alice")
    await first.settled()
    await ground.stop_valkey()
    try:
        second = await ground.join(stack, first.tenant)
        assert await (await second.listen("alice", cursor)).titles(1) == ["missed"]
    finally:
        await ground.start_valkey()


async def test_the_hand_over_to_streams_is_noted_for_the_timeline(house: House) -> None:
    streams = [await house.listen("alice") for _ in range(2)]
    await house.publish("hello", "alice")
    for stream in streams:
        notification = (await stream.next()).data["id"]

    async with asyncio.timeout(10):
        while (count := await noted(house, notification)) is None:
            await asyncio.sleep(0.05)
    assert count == 2


async def noted(house: House, notification: str) -> Any:
    return await house.database.system.fetchval("SELECT streams FROM streamed WHERE notification = $1", notification)


async def test_heartbeats_are_comments_and_reach_every_stream_once_a_turn(house: House) -> None:
    stream = await house.listen("alice")
    for second in range(15):
        house.edge.hub.wheel.tick(second)
    await house.publish("after", "alice")

    lines = []
    async with asyncio.timeout(10):
        while b'"after"' not in (line := await stream.response.content.readline()):
            lines.append(line)
    assert lines.count(b": \n") == 1


async def test_half_closed_by_the_client_is_the_end(ground: Ground, stack: AsyncExitStack) -> None:
    house = await ground.open(stack)
    owner = await house.inner("alice")
    connection = await raw_request(house, "alice")
    await house.until(lambda: house.edge.hub.of(owner))

    connection.shutdown(socket.SHUT_WR)

    await house.until(lambda: not house.edge.hub.of(owner))
    connection.close()


async def test_thousands_that_open_and_close_leave_nothing(ground: Ground, stack: AsyncExitStack) -> None:
    house = await ground.open(stack, streams_per_subscriber=1000)
    for _ in range(10):
        streams: list[Stream] = list(await asyncio.gather(*(house.listen("alice") for _ in range(50))))
        for stream in streams:
            stream.drop()
    await house.until(lambda: house.edge.hub.wheel.count == 0)

    redis = open_redis(ground.settings.redis_url or "")
    async with asyncio.timeout(15):
        while await redis.hgetall(house.edge.admission.key):
            await asyncio.sleep(0.05)
    await redis.aclose()
    assert not house.edge.admission.projects
