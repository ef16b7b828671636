"""Connections to one mail server, kept open from one message to the next: a handshake and a sign-in take longer than the message."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiosmtplib import SMTP, SMTPException, SMTPResponseException

IDLE_S = 15.0
# Providers end a connection after some hundred messages at most; what they end in the middle would be an attempt lost.
MOST_MESSAGES = 100
ASKED_S = 5.0
BROKEN = (SMTPException, OSError, TimeoutError)


class Kept:
    __slots__ = ("client", "messages", "retiring")

    def __init__(self, client: SMTP) -> None:
        self.client = client
        self.messages = 0
        self.retiring: asyncio.TimerHandle | None = None


class Pool:
    """most: at the same time; whoever finds all in use waits.   connect: makes one that is signed in.

    A pool with a connection is held by the timer that ends it; without one it may be forgotten.
    """

    def __init__(self, most: int, connect: Callable[[], Awaitable[SMTP]]) -> None:
        self.slots = asyncio.Semaphore(most)
        self.connect = connect
        self.idle: list[Kept] = []
        self.ending: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[SMTP]:
        """For one message. A refusal leaves the connection good; whatever else is raised inside ends it."""
        async with self.slots:
            kept = await self.take()
            try:
                yield kept.client
            except SMTPResponseException:
                self.put_back(kept)
                raise
            except BaseException:
                kept.client.close()
                raise
            self.put_back(kept)

    async def take(self) -> Kept:
        """The one used last that still answers. RSET also takes away what a refused message left (RFC 5321 §4.1.1.5)."""
        while self.idle:
            kept = self.idle.pop()
            if kept.retiring is not None:
                kept.retiring.cancel()
            try:
                await kept.client.rset(timeout=ASKED_S)
                return kept
            except BROKEN:
                kept.client.close()
        return Kept(await self.connect())

    def put_back(self, kept: Kept) -> None:
        if not kept.client.is_connected:
            return
        kept.messages += 1
        if kept.messages >= MOST_MESSAGES:
            self.end(kept)
            return
        kept.retiring = asyncio.get_running_loop().call_later(IDLE_S, self.retire, kept)
        self.idle.append(kept)

    def retire(self, kept: Kept) -> None:
        self.idle.remove(kept)
        self.end(kept)

    def end(self, kept: Kept) -> None:
        task = asyncio.create_task(say_goodbye(kept.client))
        self.ending.add(task)
        task.add_done_callback(self.ending.discard)


async def say_goodbye(client: SMTP) -> None:
    with contextlib.suppress(*BROKEN):
        await client.quit(timeout=ASKED_S)
    client.close()
