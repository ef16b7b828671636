"""One request and its answer over a connection of its own, read as it comes: the standard library's client tells no times."""

import asyncio
import ssl
import zlib
from collections.abc import Mapping
from typing import Self

import httptools

from tidings.cli.doctor.address import Address

PIECE = 65536
# Of zlib: a head as gzip writes it.
GZIP = 31


class Broken(ConnectionError):
    """It ended before it was whole."""


class Exchange:
    """status, headers: of the head, names in lower case; 0 until it is there."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.status = 0
        self.headers: dict[str, str] = {}
        self.has_head = self.is_whole = False
        self.body: list[bytes] = []
        self.unpacker = zlib.decompressobj(GZIP)
        self.parser = httptools.HttpResponseParser(self)

    @classmethod
    async def connect(cls, address: Address, protocols: tuple[str, ...] = ()) -> Self:
        """Raises OSError, and ssl.SSLCertVerificationError, which is one.   protocols: to offer in the TLS handshake (ALPN)."""
        context = None
        if address.is_secure:
            context = ssl.create_default_context()
            if protocols:
                context.set_alpn_protocols(list(protocols))
        return cls(*await asyncio.open_connection(address.host, address.port, ssl=context))

    def send(self, address: Address, path: str, headers: Mapping[str, str]) -> None:
        """Accept-Encoding as browsers send it, as far as we can read it: a proxy that compresses is to show itself."""
        sent = {"Host": address.host_header, "Accept-Encoding": "gzip", "User-Agent": "tidings-doctor", "Connection": "close"} | dict(
            headers
        )
        lines = [f"GET {address.prefix}{path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items())]
        self.writer.write("\r\n".join([*lines, "", ""]).encode())

    async def head(self) -> None:
        """Wait for it. Raises Broken, or httptools.HttpParserError for what is no HTTP."""
        while not self.has_head:
            if not await self.read():
                raise Broken("the connection ended before an answer")

    async def piece(self) -> bytes:
        """The next of the body, empty at its end. Raises OSError when it breaks off."""
        while not self.body and not self.is_whole and await self.read():
            pass
        pieces, self.body = b"".join(self.body), []
        is_packed = self.headers.get("content-encoding") == "gzip"
        # What a compressor holds back is no end.
        return (self.unpacker.decompress(pieces) or b" ") if is_packed and pieces else pieces

    async def read(self) -> bool:
        data = await self.reader.read(PIECE)
        self.parser.feed_data(data) if data else None
        return bool(data)

    def close(self) -> None:
        """At once: a polite end of TLS would wait for the other side."""
        self.writer.transport.abort()

    # The parser's side

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self.status = self.parser.get_status_code()
        self.has_head = True

    def on_body(self, body: bytes) -> None:
        self.body.append(body)

    def on_message_complete(self) -> None:
        self.is_whole = True
