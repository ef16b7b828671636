"""A client that minds every byte, for what HTTP clients do not do of their own accord."""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from stream_house import WITHIN_S, House

SMALL = 4096


class Raw:
    def __init__(self, connection: socket.socket, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connection = connection
        self.reader = reader
        self.writer = writer
        self.received = b""

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def until(self, wanted: bytes, count: int = 1) -> bytes:
        """Everything received so far, when that holds what is wanted. Fails when the connection ends before."""
        async with asyncio.timeout(WITHIN_S):
            while self.received.count(wanted) < count:
                more = await self.reader.read(65536)
                assert more, f"ended after {self.received[-300:]!r}"
                self.received += more
        return self.received

    async def end(self) -> bytes:
        """Everything received, up to the end of the connection."""
        async with asyncio.timeout(WITHIN_S):
            with contextlib.suppress(ConnectionError):
                while more := await self.reader.read(65536):
                    self.received += more
        return self.received

    def half_close(self) -> None:
        self.writer.write_eof()

    def reset(self) -> None:
        """RST, not a polite end."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@asynccontextmanager
async def raw(url: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[Raw]:
    """A connection. Small buffers on this side, so that not reading shows soon."""
    host, _, port = url.partition("://")[2].partition(":")
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, (host, int(port)))
    reader, writer = await asyncio.open_connection(
        sock=connection, limit=SMALL, ssl=tls, server_hostname="localhost" if tls else None, ssl_shutdown_timeout=1 if tls else None
    )
    try:
        yield Raw(connection, reader, writer)
    finally:
        writer.transport.abort()


async def head(house: House, subscriber: str, *more: str, version: str = "1.1", method: str = "GET", path: str = "/v1/stream") -> bytes:
    """Of a request that signs in. more: header lines."""
    lines = [f"{method} {path} HTTP/{version}", "Host: x", f"Authorization: Bearer {await house.token(subscriber)}", *more, "", ""]
    return "\r\n".join(lines).encode()
