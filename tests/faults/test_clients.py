"""Clients as they are: some stop reading, some send a byte a second, some are gone without a word. The others never notice."""

import asyncio
import os
import random
import socket
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from faults.deployment import Api, Deployment
from faults.history import Client, History, summary
from faults.listener import Listener, Token, end_all, events_of, open_stream, until

BIG = {"blob": "x" * 16_000}
SOAK_OPENINGS = 3_000
AT_ONCE = 100
MIB = 1024 * 1024
TCP_REPAIR = 19


class Room:
    """One API process, a project, and somebody who listens as one should."""

    def __init__(self, deployment: Deployment, api_key: str) -> None:
        self.deployment = deployment
        self.api = deployment.apis[0]
        self.api_key = api_key
        self.headers = {"Authorization": f"Bearer {api_key}"}
        self.http = deployment.http
        self.history = History()
        self.sent = 0

    def token(self, subscriber: str) -> Token:
        return Token(self.http, lambda: [self.api.base], self.api_key, subscriber)

    async def publish(self, to: list[str], audience: list[str], **data: str) -> None:
        """Publish to some, of whom those in `audience` are to receive it."""
        publish = self.history.publish("room", self.sent, audience, asyncio.get_running_loop().time())
        self.sent += 1
        body = {"to": to, "title": publish.mark, "data": {"mark": publish.mark} | data}
        async with self.http.post(f"{self.api.base}/v1/notifications", json=body, headers=self.headers) as response:
            assert response.status == 202, await response.text()
            publish.settle("accepted", asyncio.get_running_loop().time(), (await response.json())["id"])

    @asynccontextmanager
    async def listening(self, subscriber: str) -> AsyncIterator[Listener]:
        listener = Listener(self.history.client(subscriber), self.token(subscriber), lambda: [self.api.base], self.http, random.Random(1))
        task = asyncio.create_task(listener.run())
        await until(listener.ready.is_set, 10, "a stream's ready")
        yield listener
        await end_all([task])

    async def undisturbed(self, listener: Listener, within: float = 5) -> None:
        """What was published reached the good listener, in order, over one connection."""
        await until(lambda: not self.history.missing(), within, "the good listener's events")
        faults = self.history.faults()
        assert not faults, (summary(faults), faults[:5])
        assert (listener.client.connections, self.history.repeats) == (1, 0)


@pytest.fixture
async def room(deployment: Deployment, api_key: str) -> Room:
    return Room(deployment, api_key)


def rss(api: Api) -> int:
    """Bytes that the process holds in memory."""
    pages = int(Path(f"/proc/{api.pid}/statm").read_text().split()[1])
    return pages * 4096


def descriptors(api: Api) -> int:
    return len(list(Path(f"/proc/{api.pid}/fd").iterdir()))


async def until_streams(api: Api, count: int, within: float = 10) -> None:
    end = time.monotonic() + within
    while (now := await api.metric("tidings_streams")) != count:
        assert time.monotonic() < end, f"{now:g} streams are open, not {count}"
        await asyncio.sleep(0.05)


def reset(writer: asyncio.StreamWriter) -> None:
    """Gone without FIN: the peer gets an RST."""
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def test_one_that_stops_reading_is_cut_off_and_the_others_go_on(room: Room) -> None:
    before = rss(room.api)
    async with room.listening("good") as good:
        deaf = [await deaf_stream(room, f"deaf-{number}") for number in range(3)]
        to = ["good", *(f"deaf-{number}" for number in range(len(deaf)))]
        # What the kernel buffers for loopback, then what the process does; far more than both is sent.
        for _ in range(1500):
            await room.publish(to, ["good"], **BIG)
            if await room.api.metric("tidings_streams") == 1:
                break
        await until_streams(room.api, 1)
        assert await room.api.metric("tidings_streams_closed_total") >= 3
        assert rss(room.api) - before < 150 * MIB
        await room.undisturbed(good)
        # A slow one resumes where it stopped, and has everything then.
        for _, writer in deaf:
            writer.close()
        back = Listener(Client("deaf-0"), room.token("deaf-0"), lambda: [room.api.base], room.http, random.Random(1))
        back.cursor = deaf[0][0]
        task = asyncio.create_task(back.run())
        await until(lambda: back.client.ids == good.client.ids, 20, "what the slow one missed")
        await end_all([task])
        assert [receipt.id for receipt in back.client.receipts] == [receipt.id for receipt in good.client.receipts]


async def deaf_stream(room: Room, subscriber: str) -> tuple[str, asyncio.StreamWriter]:
    """A stream that is read up to `ready` and no further; with the cursor it was told."""
    reader, writer = await open_stream(room.api.base, await room.token(subscriber).get(), None)
    async for event in events_of(reader):
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        assert event.name == "ready" and event.id is not None
        return event.id, writer
    raise AssertionError("the stream ended")


async def test_a_byte_a_second_is_cut_off_and_costs_the_others_nothing(room: Room) -> None:
    async with room.listening("good") as good:
        request = b"GET /v1/stream HTTP/1.1\r\nHost: tidings\r\nX-Slow: " + b"x" * 100
        place = urlsplit(room.api.base)
        slow = [await asyncio.open_connection(place.hostname, place.port) for _ in range(50)]
        began = time.monotonic()

        async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> float:
            with suppress(OSError):
                for byte in request:
                    writer.write(bytes([byte]))
                    await writer.drain()
                    with suppress(TimeoutError):
                        if not await asyncio.wait_for(reader.read(1), 1):
                            break
            writer.close()
            return time.monotonic() - began

        drips = asyncio.gather(*(drip(*pair) for pair in slow))
        while not drips.done():
            await room.publish(["good"], ["good"])
            await asyncio.sleep(0.2)
        # Heads have 15 seconds; a tick looks once a second.
        assert max(await drips) < 25
        await room.undisturbed(good)


async def test_gone_without_a_fin(room: Room) -> None:
    async with room.listening("good") as good:
        streams = [await open_stream(room.api.base, await room.token("gone").get(), None) for _ in range(8)]
        await until_streams(room.api, 9)
        for _, writer in streams:
            reset(writer)
        await until_streams(room.api, 1)
        await room.publish(["good", "gone"], ["good"])
        await room.undisturbed(good)


@pytest.mark.skipif(os.geteuid() != 0, reason="TCP_REPAIR, which closes a socket without a word to the peer, is root's")
async def test_vanished_without_a_packet(room: Room) -> None:
    """As when the host lost power: nothing tells the server until it writes."""
    async with room.listening("good") as good:
        token = await room.token("vanished").get()
        streams = [await open_stream(room.api.base, token, None) for _ in range(5)]
        await until_streams(room.api, 6)
        for _, writer in streams:
            try:
                writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
            except PermissionError:
                pytest.skip("TCP_REPAIR is not allowed in this container")
            writer.transport.abort()
        await room.publish(["good"], ["good"])
        await until(lambda: not room.history.missing(), 5)
        assert await room.api.metric("tidings_streams") == 6
        await room.publish(["good", "vanished"], ["good"])
        await until_streams(room.api, 1)
        await room.undisturbed(good)


async def test_gone_before_the_first_byte(room: Room) -> None:
    """The request is sent and the client leaves: with FIN, with RST, at once or in the middle of signing in."""
    token = await room.token("hasty").get()
    head = f"GET /v1/stream HTTP/1.1\r\nHost: tidings\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    place = urlsplit(room.api.base)
    open_before = descriptors(room.api)
    async with room.listening("good") as good:
        for number in range(200):
            _, writer = await asyncio.open_connection(place.hostname, place.port)
            writer.write(head)
            await writer.drain()
            await asyncio.sleep(0.0005 * (number % 12))
            if number % 2:
                reset(writer)
            else:
                writer.close()
        await until_streams(room.api, 1)
        await until(lambda: descriptors(room.api) <= open_before + 5, 10, "the end of all sockets")
        # Each that was let in was let go: the limit of 10 a subscriber is free again.
        streams = []
        for _ in range(10):
            streams.append(await open_when_let(room, "hasty"))
        for _, writer in streams:
            writer.close()
        await room.publish(["good", "hasty"], ["good"])
        await room.undisturbed(good)


async def open_when_let(room: Room, subscriber: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A stream; what was let go a moment ago may count for a moment more."""
    token = await room.token(subscriber).get()
    for attempt in range(40):
        try:
            return await open_stream(room.api.base, token, None)
        except Exception:
            if attempt == 39:
                raise
            await asyncio.sleep(0.1)
    raise AssertionError


async def test_thousands_that_open_and_close_leave_nothing_behind(room: Room) -> None:
    names = [f"soak-{number}" for number in range(AT_ONCE)]
    tokens = [await room.token(name).get() for name in names]

    async def once(number: int) -> None:
        async with asyncio.timeout(30):
            reader, writer = await open_stream(room.api.base, tokens[number % AT_ONCE], None)
            how = number % 4
            if how != 0:
                async for event in events_of(reader):
                    if event.name == ("ready" if how == 1 else "notification"):
                        break
                    if how == 3:
                        break
            if how == 3:
                reset(writer)
            else:
                writer.close()

    async def soak(openings: int) -> None:
        for start in range(0, openings, AT_ONCE):
            batch = asyncio.gather(*(once(start + number) for number in range(AT_ONCE)))
            while not batch.done():
                # Those who wait for a notification get theirs.
                await room.publish(names, [])
                await asyncio.wait([batch], timeout=0.05)
            await batch
        await until_streams(room.api, 0)

    await soak(1_000)  # caches, code and allocator warm
    memory, sockets = rss(room.api), descriptors(room.api)
    began = time.monotonic()
    await soak(SOAK_OPENINGS)
    took = time.monotonic() - began
    await until(lambda: descriptors(room.api) <= sockets + 5, 10, "the end of all sockets")
    # A stream that leaked whole would be 3,000 times several KiB, with its scope and tasks 3,000 times 50 KiB.
    assert rss(room.api) - memory < 6 * MIB, (rss(room.api) - memory, took)
    assert room.api.is_running
