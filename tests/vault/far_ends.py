"""Far ends of all connectors: they take what comes, or refuse it and repeat what it came with, as many an error page does."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec
import pytest
from connectors.examples import EXAMPLES, SMTP_ANSWERS, Example, Ground
from outbound.ground import read_request, serving

from tidings.deliveries.connectors.registry import CONNECTORS

NOT_OURS = cast(Any, None)
# All that have any.
WITH_CREDENTIALS = [name for name, connector in CONNECTORS.items() if msgspec.structs.fields(connector.credentials)]


@dataclass
class FarEnd:
    """got: what came.   repeats: it refuses, with all that it was told.   hangs_up: it says nothing at all."""

    name: str
    url: str = ""
    repeats: bool = False
    hangs_up: bool = False
    got: list[bytes] = field(default_factory=list)
    example: Example = field(init=False)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.hangs_up:
            return None
        if self.example.serves is not None:
            return await self.take_letters(reader, writer)
        request = await read_request(reader)
        self.got.append(request)
        status, body = (500, repeated(request)) if self.repeats else self.example.accepts
        head = f"HTTP/1.1 {status} Status\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        return None

    async def take_letters(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 example.com ESMTP\r\n")
        while line := await reader.readline():
            self.got.append(line)
            verb = line[:4].upper()
            if verb == b"DATA":
                writer.write(b"354 go on\r\n")
                self.got.append(await reader.readuntil(b"\r\n.\r\n"))
            refused = b"535 5.7.8 I do not know " + line.strip() + b"\r\n"
            writer.write(refused if self.repeats and verb == b"AUTH" else SMTP_ANSWERS.get(verb, b"250 2.0.0 OK\r\n"))
            await writer.drain()


def repeated(request: bytes) -> bytes:
    """The request itself, what it signed in with, and its head as JSON, in which some characters are written otherwise."""
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme == "Basic":
        token += " is " + base64.b64decode(token).decode("latin-1")
    # With slashes as PHP writes them.
    as_json = json.dumps({"line": first} | headers).replace("/", "\\/")
    return (
        f"Wrong token {token}, or key {headers.get('x-api-key')}: {as_json}\n".encode() + b"You sent: " + head[:4000] + b"\n" + body[:4000]
    )


@asynccontextmanager
async def far_ends() -> AsyncIterator[dict[str, FarEnd]]:
    """By connector, each at a port of its own, with its example leading there."""
    async with AsyncExitStack() as stack:
        ends = {name: FarEnd(name) for name in WITH_CREDENTIALS}
        for name, end in ends.items():
            server = await stack.enter_async_context(serving(end.handle))
            with pytest.MonkeyPatch.context() as patch:
                ground = Ground(f"http://127.0.0.1:{server.port}", patch, NOT_OURS, NOT_OURS, NOT_OURS)
                end.example = await EXAMPLES[name](ground)
                end.url = ground.url
        yield ends
