"""What the edge lives through: requests that do not go on, drains, and servers that go away. Clients: test_sockets.py, test_churn.py."""

import asyncio
import contextlib
from contextlib import AsyncExitStack
from typing import Any

import pytest
from stream_ground import Ground
from stream_house import House

from tidings.events.live import stream_key
from tidings.platform.redis import open_redis
from tidings.stream.protocol import StreamingProtocol
from tidings.stream.replay import Piece, Replay


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


async def test_a_hole_in_the_stream_is_filled_from_the_log(ground: Ground, stack: AsyncExitStack, way: Any) -> None:
    house = await ground.open(stack, way)
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


async def test_streams_stay_open_and_go_on_while_valkey_is_away(ground: Ground, stack: AsyncExitStack, way: Any) -> None:
    house = await ground.open(stack, way)
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


async def test_a_replay_that_postgres_left_is_given_up_politely_and_can_be_resumed(
    ground: Ground, stack: AsyncExitStack, way: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    house = await ground.open(stack, way, hot_window_events=10)
    cursor = (await house.listen("alice")).ready["cursor"]
    for number in range(30):
        await house.publish(str(number), "alice")
    await house.settled()

    async def away(replay: Replay) -> Piece:
        raise ConnectionError("PostgreSQL is away")

    with monkeypatch.context() as patched:
        patched.setattr(Replay, "from_log", away)
        stream = await house.listen("alice", cursor)
        (told,) = await stream.end()

    assert (told.event, told.data["reason"], stream.last_id) == ("reconnect", "unavailable", cursor)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
    assert await (await house.listen("alice", stream.last_id)).titles(30) == [str(number) for number in range(30)]


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
