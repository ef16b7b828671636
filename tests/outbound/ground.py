"""Servers to send to, names that lead to them, and a canary that notices every connection."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_network
from typing import Any

import pytest

from tidings.outbound.client import Outbound, open_outbound
from tidings.outbound.names import Names
from tidings.outbound.networks import Network
from tidings.settings import Settings

Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

HEAD = b"HTTP/1.1 200 OK\r\n"
OK = HEAD + b"Content-Length: 2\r\n\r\nok"


class Server:
    """connections: how many came so far."""

    def __init__(self, handle: Handle) -> None:
        self.handle = handle
        self.connections = 0
        self.came = asyncio.Condition()
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with self.came:
            self.connections += 1
            self.came.notify_all()
        with suppress(ConnectionError, asyncio.IncompleteReadError, RuntimeError):
            await self.handle(reader, writer)
        writer.close()

    async def others(self) -> int:
        """Connections but for the one that this makes: it comes last, so whatever was on its way is counted."""
        before = self.connections
        _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        async with self.came:
            await asyncio.wait_for(self.came.wait_for(lambda: self.connections > before), 10)
        # One more turn for a neighbour that was accepted with it.
        await asyncio.sleep(0)
        writer.close()
        self.connections -= 1
        return self.connections


@asynccontextmanager
async def serving(handle: Handle, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    server = Server(handle)
    tasks: set[asyncio.Task[None]] = set()

    def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(server.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    # Whoever finds no room to wait in comes again a second later.
    listening = await asyncio.start_server(take, "127.0.0.1", 0, ssl=tls, backlog=4096)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """Head and body, by Content-Length."""
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return head + await reader.readexactly(int(line.partition(b":")[2]))
    return head


def answering(answer: bytes, seen: list[bytes] | None = None) -> Handle:
    """Each request alike, for as long as the connection lasts."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            request = await read_request(reader)
            if seen is not None:
                seen.append(request)
            writer.write(answer)
            await writer.drain()

    return handle


def pouring(beginning: bytes, more: bytes, pause_s: float = 0.0) -> Handle:
    """An answer that does not end."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(beginning)
        while not writer.is_closing():
            writer.write(more)
            await writer.drain()
            await asyncio.sleep(pause_s)

    return handle


def networks(*texts: str) -> tuple[Network, ...]:
    return tuple(map(ip_network, texts))


def allowing(*allow: str, deny: Iterable[str] = ()) -> Settings:
    return Settings(outbound_allow=networks(*allow), outbound_deny=networks(*deny))


LOCAL = allowing("127.0.0.0/8", "::1/128")
EVERYTHING = allowing("0.0.0.0/0", "::/0")


def names(known: dict[str, list[str]], **options: Any) -> Names:
    """Who resolves these names and no others."""

    def look_up(name: str) -> list[str]:
        if name not in known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return known[name]

    return Names(look_up, **options)


@pytest.fixture(scope="module")
async def client() -> AsyncIterator[Outbound]:
    async with open_outbound(LOCAL, names({"hooks.example": ["127.0.0.1"]})) as client:
        yield client


def url_of(server: Server) -> str:
    return f"http://hooks.example:{server.port}/hook?key=hunter2"
