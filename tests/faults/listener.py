"""A browser that never gives up: follows one subscriber's stream over any number of broken connections, and writes down what it got.

Raw sockets on purpose: what it sends and when it is done with an event is all here. As EventSource does, it takes an event's id only
with the blank line that ends the event, and brings it back as Last-Event-ID.
"""

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import aiohttp
from faults.history import Client

Bases = Callable[[], Sequence[str]]

# Heartbeats come each 15 s; a stream silent for longer is dead.
SILENCE_S = 25.0
BREATH_S = 0.3
BROKEN = (OSError, TimeoutError, asyncio.IncompleteReadError, aiohttp.ClientError, ValueError)


class Event(NamedTuple):
    """id: the cursor; None where the event carries none.   retry: milliseconds, where it says so."""

    name: str
    id: str | None
    data: Any
    retry: int | None = None


class Refusal(Exception):
    """The stream was not opened: status and problem."""

    def __init__(self, status: int, problem: bytes) -> None:
        super().__init__(f"{status} {problem[:300].decode(errors='replace')}")
        self.status = status


def event_of(block: bytes) -> Event | None:
    """None for a comment or a lone retry."""
    fields = dict(line.split(b": ", 1) for line in block.split(b"\n") if b": " in line and not line.startswith(b":"))
    if b"data" not in fields:
        return None
    identity = fields.get(b"id")
    retry = fields.get(b"retry")
    return Event(
        fields.get(b"event", b"message").decode(),
        identity.decode() if identity else None,
        json.loads(fields[b"data"]),
        int(retry) if retry else None,
    )


async def open_stream(base: str, token: str, cursor: str | None, *headers: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """An open stream, its head read. Raises Refusal."""
    place = urlsplit(base)
    reader, writer = await asyncio.wait_for(asyncio.open_connection(place.hostname, place.port, limit=4 * 1024 * 1024), 5)
    try:
        lines = [
            "GET /v1/stream HTTP/1.1",
            f"Host: {place.netloc}",
            f"Authorization: Bearer {token}",
            "Accept: text/event-stream",
            *headers,
        ]
        if cursor is not None:
            lines.append(f"Last-Event-ID: {cursor}")
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 15)
        status = int(head.split(b" ", 2)[1])
        if status != 200:
            raise Refusal(status, await asyncio.wait_for(reader.read(2000), 5))
        assert b"chunked" not in head, head
    except BaseException:
        writer.close()
        raise
    return reader, writer


async def events_of(reader: asyncio.StreamReader, silence_s: float = SILENCE_S) -> AsyncIterator[Event]:
    """Whole events until the connection ends. Raises TimeoutError when it is silent."""
    rest = b""
    while True:
        async with asyncio.timeout(silence_s):
            chunk = await reader.read(65536)
        if not chunk:
            return
        *blocks, rest = (rest + chunk).split(b"\n\n")
        for block in blocks:
            if (event := event_of(block)) is not None:
                yield event


class Token:
    """A subscriber's token, minted when it is needed."""

    def __init__(self, http: aiohttp.ClientSession, bases: Bases, api_key: str, subscriber: str) -> None:
        self.http = http
        self.bases = bases
        self.headers = {"Authorization": f"Bearer {api_key}"}
        self.subscriber = subscriber
        self.text: str | None = None
        self.fresh_until = 0.0

    async def get(self) -> str:
        now = asyncio.get_running_loop().time()
        if self.text is None or now > self.fresh_until:
            url = f"{random.choice(self.bases())}/v1/subscribers/{self.subscriber}/tokens"
            async with self.http.post(url, json={"ttl": 900}, headers=self.headers) as response:
                if response.status != 201:
                    raise Refusal(response.status, await response.read())
                self.text = (await response.json())["token"]
            self.fresh_until = now + 600
        return self.text

    def forget(self) -> None:
        self.text = None


class Listener:
    """client: where it writes down what it received.   ready: set while a stream is open.

    kept: the newest event of each name, and when it came.   refusals: of streams that were not opened.
    """

    def __init__(self, client: Client, token: Token, bases: Bases, http: aiohttp.ClientSession, rng: random.Random) -> None:
        self.client = client
        self.token = token
        self.bases = bases
        self.http = http
        self.rng = rng
        self.cursor: str | None = None
        self.ready = asyncio.Event()
        self.base = ""
        self.kept: dict[str, tuple[Event, float]] = {}
        self.refusals: list[str] = []
        self.writer: asyncio.StreamWriter | None = None

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            breath = BREATH_S
            try:
                await self.follow_once()
            except Refusal as refusal:
                self.refusals.append(str(refusal))
                if refusal.status == 401:
                    self.token.forget()
                breath = 2 * BREATH_S
            except BROKEN:
                pass
            finally:
                self.ready.clear()
            await asyncio.sleep(breath * self.rng.uniform(0.2, 1))

    async def follow_once(self) -> None:
        token = await self.token.get()
        self.base = self.rng.choice(self.bases())
        reader, self.writer = await open_stream(self.base, token, self.cursor)
        try:
            self.client.connections += 1
            async for event in events_of(reader):
                await self.take(event)
        finally:
            self.writer.close()

    async def take(self, event: Event) -> None:
        now = asyncio.get_running_loop().time()
        self.kept[event.name] = (event, now)
        if event.name == "ready":
            self.ready.set()
        elif event.name == "notification":
            assert event.id is not None
            self.client.receive(event.data["id"], event.data["data"]["mark"], event.id, now)
        elif event.name == "reset":
            self.client.reset()
            await self.read_inbox()
        if event.id is not None:
            self.cursor = event.id

    async def read_inbox(self) -> None:
        """The snapshot after a reset; until it succeeds, nothing else counts."""
        while True:
            try:
                self.client.snapshot(await inbox_of(self.http, self.rng.choice(self.bases()), await self.token.get()))
                return
            except (*BROKEN, Refusal):
                await asyncio.sleep(BREATH_S)

    def drop(self) -> None:
        if self.writer is not None:
            self.writer.close()


async def inbox_of(http: aiohttp.ClientSession, base: str, token: str) -> list[tuple[str, str]]:
    """The whole inbox as (id, mark). Raises Refusal."""
    found: list[tuple[str, str]] = []
    after: str | None = None
    while True:
        parameters = {"limit": "200"} | ({"after": after} if after is not None else {})
        async with http.get(f"{base}/v1/inbox", params=parameters, headers={"Authorization": f"Bearer {token}"}) as response:
            if response.status != 200:
                raise Refusal(response.status, await response.read())
            page = await response.json()
        found += [(item["id"], item["data"]["mark"]) for item in page["items"]]
        after = page["next"]
        if after is None:
            return found


async def until(condition: Callable[[], bool], within: float, what: str | Callable[[], str] = "it") -> float:
    """Wait for a condition, with a bound. Answers how long it took. what: is waited for, or says how things stand when it did not come."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    while not condition():
        if loop.time() - began > within:
            raise AssertionError(f"{what() if callable(what) else what} did not happen within {within:g} s")
        await asyncio.sleep(0.02)
    return loop.time() - began


async def end_all(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.gather(*tasks, return_exceptions=True)
