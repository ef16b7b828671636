"""From a name to addresses, bounded in number and time.

getaddrinfo cannot be interrupted: with a name server that says nothing it returns after 10 s at the earliest (resolv.conf: 5 s, twice, for
each server). So each lookup has a thread of its own, which holds up no end of the process. In uvloop's own getaddrinfo two such lookups
would hold up all others: libuv gives slow work half of its four threads.
"""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from tidings.outbound.networks import Address, literal

Lookup = Callable[[str], Sequence[str]]

AT_ONCE = 64
# How long an answer is used again, for connections that are opened one after another. What is connected to was checked all the same.
KEPT_S = 10.0
KEPT = 1000


def look_up(name: str) -> Sequence[str]:
    """The system's answer: /etc/hosts, DNS, whatever else it is told to ask."""
    return [str(entry[4][0]) for entry in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)]


class Names:
    """`await names.addresses(host)`. Callers who ask for the same name share one lookup, which goes on when one of them gives up."""

    def __init__(self, look_up: Lookup = look_up, clock: Callable[[], float] = time.monotonic) -> None:
        self.look_up = look_up
        self.clock = clock
        self.slots = asyncio.Semaphore(AT_ONCE)
        self.kept: dict[str, tuple[float, list[Address]]] = {}
        self.under_way: dict[str, asyncio.Task[list[Address]]] = {}

    async def addresses(self, host: str) -> list[Address]:
        """In the order in which they should be tried (RFC 6724). Raises OSError."""
        known = self.kept.get(host)
        if known is not None and self.clock() < known[0] + KEPT_S:
            return known[1]
        task = self.under_way.get(host)
        if task is None:
            task = self.under_way[host] = asyncio.create_task(self.resolve(host))
            task.add_done_callback(mark_retrieved)
        return await asyncio.shield(task)

    async def resolve(self, host: str) -> list[Address]:
        try:
            async with self.slots:
                texts = await in_a_thread(self.look_up, host)
            addresses = [address for text in dict.fromkeys(texts) if (address := literal(text))]
            self.keep(host, addresses)
            return addresses
        finally:
            del self.under_way[host]

    def keep(self, host: str, addresses: list[Address]) -> None:
        self.kept.pop(host, None)
        self.kept[host] = (self.clock(), addresses)
        if len(self.kept) > KEPT:
            del self.kept[next(iter(self.kept))]

    def close(self) -> None:
        for task in self.under_way.values():
            task.cancel()


def mark_retrieved(task: asyncio.Task[list[Address]]) -> None:
    """All who asked may have given up; nobody is to be told of an exception that nobody waits for."""
    if not task.cancelled():
        task.exception()


async def in_a_thread(work: Callable[[str], Sequence[str]], argument: str) -> Sequence[str]:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Sequence[str]] = loop.create_future()

    def settle(outcome: Any) -> None:
        if future.done():
            return
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)

    def run() -> None:
        outcome: Any
        try:
            outcome = work(argument)
        except Exception as error:
            outcome = error
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, outcome)

    threading.Thread(target=run, name="lookup", daemon=True).start()
    return await future
