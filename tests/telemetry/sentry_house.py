"""What takes reports as Sentry does: a real HTTP server that reads its envelopes."""

import gzip
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from running import until

KEY = "0123456789abcdef0123456789abcdef"


@dataclass
class SentryHouse:
    """dsn: for TIDINGS_SENTRY_DSN.   heard: whole requests, as they came and unpacked.   events: by the envelopes' items."""

    dsn: str = ""
    heard: list[bytes] = field(default_factory=list)
    events: list[Any] = field(default_factory=list)
    kinds: set[str] = field(default_factory=set)

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        unpacked = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
        assert f"sentry_key={KEY}" in request.headers["X-Sentry-Auth"]
        self.heard.append(f"{request.path_qs} {dict(request.headers)}".encode() + unpacked)
        for kind, item in items_of(unpacked):
            self.kinds.add(kind)
            if kind == "event":
                self.events.append(json.loads(item))
        return web.json_response({})

    async def event(self, chosen: Callable[[Any], bool], what: str, within: float = 20) -> Any:
        async def found() -> Any:
            return next((event for event in self.events if chosen(event)), None)

        return await until(found, within, f"an event {what}; there are {json.dumps(self.events)[:4000]}")


def items_of(envelope: bytes) -> list[tuple[str, bytes]]:
    """Each item's type and payload: a header a line, the payload as long as it says, or up to the end of its line."""
    _, _, rest = envelope.partition(b"\n")
    items = []
    while rest.strip():
        line, _, rest = rest.partition(b"\n")
        header = json.loads(line)
        length = header.get("length", rest.find(b"\n") if b"\n" in rest else len(rest))
        items.append((header["type"], rest[:length]))
        rest = rest[length:].removeprefix(b"\n")
    return items


@asynccontextmanager
async def sentry_house() -> AsyncIterator[SentryHouse]:
    house = SentryHouse()
    app = web.Application()
    app.router.add_post("/api/1/envelope/", house.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    house.dsn = f"http://{KEY}@127.0.0.1:{runner.addresses[0][1]}/1"
    try:
        yield house
    finally:
        await runner.cleanup()
