"""A canary that every connection leads to, whatever its address: what is not refused arrives there."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from outbound.ground import OK, Server, serving

from tidings.outbound import connector


@pytest.fixture
async def canary() -> AsyncIterator[Server]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Also to the beginning of a TLS handshake, which fails by it at once.
        if await reader.read(65536):
            writer.write(OK)
            await writer.drain()

    async with serving(answer) as server:
        yield server


@pytest.fixture
def tried(canary: Server, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The addresses that were connected to, a list for each connection. All of them lead to the canary."""
    tried: list[list[str]] = []

    async def to_the_canary(infos: list[Any], **options: Any) -> socket.socket:
        tried.append([info[4][0] for info in infos])
        connected = socket.socket()
        connected.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connected, ("127.0.0.1", canary.port))
        return connected

    monkeypatch.setattr(connector, "start_connection", to_the_canary)
    return tried
