"""Streams come and go, in every way there is, and nothing of them stays."""

import asyncio
import gc
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

from stream.raw import Raw, head, raw
from stream_ground import Ground
from stream_house import House

from tidings.platform.redis import open_redis
from tidings.stream.connection import MOST_IGNORED
from tidings.stream.drain import drain
from tidings.stream.protocol import StreamingProtocol

AT_ONCE = 25
ROUNDS = 4
# One object left behind by each stream of one way would be 100; the 60 tokens of these rounds are remembered on purpose.
MOST_MORE = 80

Leave = Callable[[House, Sequence[Raw]], Awaitable[None]]


async def fin(house: House, clients: Sequence[Raw]) -> None:
    for client in clients:
        client.writer.close()


async def rst(house: House, clients: Sequence[Raw]) -> None:
    for client in clients:
        client.reset()


async def half_closed(house: House, clients: Sequence[Raw]) -> None:
    for client in clients:
        client.half_close()


async def chatter(house: House, clients: Sequence[Raw]) -> None:
    for client in clients:
        client.writer.write(b"x" * (MOST_IGNORED + 1) + b"\r\n\r\n")


async def expired(house: House, clients: Sequence[Raw]) -> None:
    house.edge.hub.wheel.tick(int(time.time()) + 10**6)


async def revoked(house: House, clients: Sequence[Raw]) -> None:
    data = {"subscriber": "alice", "valid_after": datetime.now(UTC).isoformat()}
    await house.append("subscriber.tokens_revoked", data, recipients=[await house.inner("alice")])


async def slow(house: House, clients: Sequence[Raw]) -> None:
    data = b": " + b"x" * 200_000 + b"\n\n"
    while live := house.edge.hub.everyone():
        for connection in live:
            connection.write(data)
        await asyncio.sleep(0.001)


async def drained(house: House, clients: Sequence[Raw]) -> None:
    await drain(house.edge.hub, 0.1)


WAYS: list[Leave] = [fin, rst, half_closed, chatter, expired, revoked, slow, drained]


async def come_and_go(house: House, leave: Leave, topic: int, cursor: str) -> None:
    """Some resume, all are members of a topic."""
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(raw(house.url)) for _ in range(AT_ONCE)]
        request = await head(house, "alice", f"Last-Event-ID: {cursor}")
        for client in clients:
            client.writer.write(request)
        for client in clients:
            await client.until(b"event: ready")
        await house.until(lambda: len(house.edge.hub.topics.get(topic, ())) == AT_ONCE)
        await leave(house, clients)
        await house.until(lambda: not house.edge.hub.everyone())


async def never_come(house: House, way: Any) -> None:
    """Refused, or gone before they were answered."""
    good = await head(house, "alice")
    refused = [good.replace(b"Bearer ", b"Bearer x"), await head(house, "alice", path="/v1/stream?cursor=yesterday"), b"GET /\r\n\r\n"]
    for request in (*refused, good, good[:-4]):
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(raw(house.url)) for _ in range(AT_ONCE)]
            for client in clients:
                client.writer.write(request)
            if request in refused:
                for client in clients:
                    await client.until(b"\r\n\r\n")
            # uvicorn's own protocol keeps what was reset for as long as it would have kept the connection.
            await (rst if way is StreamingProtocol else fin)(house, clients)
    await house.until(lambda: not house.edge.hub.everyone() and not house.edge.hub.joining)


async def tickets(house: House) -> None:
    """Each opening of the URL ends the one before."""
    _, body = await house.post("/v1/stream/tickets", await house.token("alice"))
    for _ in range(AT_ONCE):
        stream = await house.listen_with({}, {"ticket": body["ticket"]})
    stream.drop()
    await house.until(lambda: not house.edge.hub.everyone())


async def everything(house: House, way: Any, topic: int, cursor: str) -> None:
    for leave in WAYS:
        await come_and_go(house, leave, topic, cursor)
    await never_come(house, way)
    await tickets(house)


async def test_streams_that_end_in_every_way_leave_nothing(ground: Ground, stack: AsyncExitStack, way: Any) -> None:
    house = await ground.open(stack, way, streams_per_subscriber=1000, connection_buffer_bytes=65536)
    cursor = str(house.edge.position(house.tenant.shard))
    topic = await house.topic("alice")
    for number in range(5):
        await house.publish(str(number), topics=[topic])
    await house.settled()
    await everything(house, way, topic, cursor)
    before = objects(house)

    for _ in range(ROUNDS):
        await everything(house, way, topic, cursor)

    await nothing_is_left(house)
    more = objects(house) - before
    assert {name: count for name, count in more.items() if count > MOST_MORE} == {}


def objects(house: House) -> Counter[str]:
    """What the collector knows, by type. The last 1,024 endings are kept on purpose."""
    house.edge.hub.recent_endings.clear()
    for _ in range(3):
        gc.collect()
    found = Counter(f"{type(one).__module__}.{type(one).__qualname__}" for one in gc.get_objects())
    # pytest's own: it keeps what was logged until the test is over.
    del found["logging.LogRecord"]
    return found


async def nothing_is_left(house: House) -> None:
    hub, admission = house.edge.hub, house.edge.admission
    await house.until(lambda: not admission.subscribers and not admission.projects and not admission.answers)
    for kept in (hub.subscribers, hub.topics, hub.projects, hub.sessions, hub.joining, hub.paused, hub.wheel.expiring, *hub.wheel.buckets):
        assert not kept
    assert hub.wheel.count == 0
    assert not StreamingProtocol.awaiting
    assert not StreamingProtocol.uploading
    for gather in (house.edge.memberships, house.edge.sessions, house.edge.heads, admission.gather):
        await house.until(lambda gather=gather: gather.idle and not gather.waiting)
    redis = open_redis(house.edge.settings.redis_url or "")
    async with asyncio.timeout(15):
        while await redis.hgetall(admission.key):
            await asyncio.sleep(0.05)
    await redis.aclose()
