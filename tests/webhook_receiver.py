"""A receiver of webhooks: a real HTTP server that keeps what it gets and answers as a test tells it."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from running import until


@dataclass
class Received:
    """One request. id: its webhook-id."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def message(self) -> Any:
        return json.loads(self.body)

    @property
    def title(self) -> str:
        return str(self.message["data"]["title"])


Answer = Callable[[Received], Awaitable[web.StreamResponse]]


@dataclass
class Receiver:
    """got: all requests, in the order in which they came.   answers: by path; 200 where there is none."""

    base_url: str
    got: list[Received] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)

    def url(self, path: str = "/hook") -> str:
        return self.base_url + path

    def at(self, path: str) -> list[Received]:
        return [one for one in self.got if one.path == path]

    def answer(self, status: int, path: str = "/hook", text: str = "", **headers: str) -> None:
        """From now on."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}

        async def with_status(_: Received) -> web.StreamResponse:
            return web.Response(status=status, text=text, headers=named)

        self.answers[path] = with_status

    def answer_in_turn(self, *statuses: int, path: str = "/hook") -> None:
        """Each once, then 200."""
        left = list(statuses)

        async def next_status(_: Received) -> web.StreamResponse:
            return web.Response(status=left.pop(0) if left else 200)

        self.answers[path] = next_status

    def hang(self, path: str = "/hook") -> asyncio.Event:
        """Answer nothing until the event is set."""
        over = asyncio.Event()

        async def wait(_: Received) -> web.StreamResponse:
            await over.wait()
            return web.Response()

        self.answers[path] = wait
        return over

    async def handle(self, request: web.Request) -> web.StreamResponse:
        received = Received(request.path, dict(request.headers), await request.read())
        self.got.append(received)
        answer = self.answers.get(request.path)
        return await answer(received) if answer else web.Response()

    async def until_got(self, count: int, path: str = "/hook", within: float = 20) -> list[Received]:
        async def enough() -> bool:
            return len(self.at(path)) >= count

        await until(enough, within, f"{count} requests at {path}")
        return self.at(path)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    app = web.Application()
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    receiver = Receiver("")
    app.router.add_route("*", "/{path:.*}", receiver.handle)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield receiver
    await runner.cleanup()
