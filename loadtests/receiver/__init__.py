"""A receiver of webhooks in a process of its own, that does nothing but count, and what it counted."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from loadtests.peers.process import scratch, started
from tidings.platform.embedded.memory import free_port

PROGRAM = Path(__file__).with_name("program.py")


class Seen(msgspec.Struct, frozen=True):
    """requests: with repeats.   distinct: webhook-ids.   now: by the receiver's clock, in seconds."""

    requests: int
    distinct: int
    now: float


@dataclass
class Receiver:
    port: int
    pid: int
    session: aiohttp.ClientSession

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def seen(self) -> Seen:
        return msgspec.convert(await self.get("/seen"), Seen)

    async def arrivals(self) -> dict[str, float]:
        """When the first byte of each webhook-id's first request was there, in seconds since 1970."""
        arrivals: dict[str, float] = await self.get("/arrivals")
        return arrivals

    async def forget(self) -> None:
        await self.get("/forget")

    async def get(self, path: str) -> Any:
        async with self.session.get(f"http://127.0.0.1:{self.port}{path}") as answer:
            return msgspec.json.decode(await answer.read())


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    port = free_port()
    words = [sys.executable, str(PROGRAM), str(port)]
    async with scratch() as folder, started(words, folder, port) as process, aiohttp.ClientSession() as session:
        yield Receiver(port, process.pid, session)
