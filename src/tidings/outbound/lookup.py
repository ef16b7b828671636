"""One lookup of a name, in a thread of its own.

getaddrinfo cannot be interrupted: with a name server that says nothing it returns after 10 s at the earliest (resolv.conf: 5 s, twice, for
each server). A thread of its own holds up no end of the process. In uvloop's own getaddrinfo two such lookups would hold up all others:
libuv gives slow work half of its four threads.
"""

import asyncio
import contextlib
import errno
import socket
import threading
from collections.abc import Callable, Sequence

from tidings.outbound.networks import Address, literal

Ask = Callable[[str], Sequence[str]]
Done = Callable[[], None]


def ask_the_system(name: str) -> Sequence[str]:
    """The system's answer: /etc/hosts, DNS, whatever else it is told to ask."""
    return [str(entry[4][0]) for entry in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)]


class Lookup:
    """answer: the addresses, or the OSError or UnicodeError that it ended with.   asked_at: by the loop's clock.

    callers: who wait for it.
    """

    def __init__(self, name: str) -> None:
        loop = asyncio.get_running_loop()
        self.name = name
        self.site = site_of(name)
        self.answer: asyncio.Future[list[Address]] = loop.create_future()
        self.answer.add_done_callback(mark_retrieved)
        self.asked_at = loop.time()
        self.begun_at = 0.0
        self.callers = 0

    def begin(self, ask: Ask, done: Done) -> None:
        """done: called in the loop when the thread has ended, however it did, and the answer is there."""
        loop = asyncio.get_running_loop()
        self.begun_at = loop.time()

        def settle(outcome: Sequence[str] | Exception) -> None:
            self.settle(outcome)
            done()

        def run() -> None:
            outcome = outcome_of(ask, self.name)
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(settle, outcome)

        try:
            threading.Thread(target=run, name="lookup", daemon=True).start()
        except RuntimeError:
            # Too many of the machine or of this container; the next attempt may find one.
            loop.call_soon(settle, OSError(errno.EAGAIN, "there was no thread to look it up"))

    def settle(self, outcome: Sequence[str] | Exception) -> None:
        if self.answer.done():
            return
        if isinstance(outcome, Exception):
            self.answer.set_exception(outcome)
        else:
            self.answer.set_result([address for text in dict.fromkeys(outcome) if (address := literal(text))])

    def took_s(self) -> float:
        return asyncio.get_running_loop().time() - self.begun_at

    def found(self) -> list[Address] | None:
        """What an ended one found, if it did not fail."""
        is_answered = not self.answer.cancelled() and self.answer.exception() is None
        return self.answer.result() if is_answered else None


def outcome_of(ask: Ask, name: str) -> Sequence[str] | Exception:
    try:
        return ask(name)
    except Exception as error:
        return error


def mark_retrieved(answer: asyncio.Future[list[Address]]) -> None:
    """All who asked may have given up; nobody is to be told of an exception that nobody waits for."""
    if not answer.cancelled():
        answer.exception()


def site_of(name: str) -> str:
    """Whose name servers answer for it, as far as a name tells: example.com of hooks.example.com, example.co.uk of hooks.example.co.uk."""
    labels = name.rstrip(".").lower().split(".")
    is_below_a_country = len(labels) > 2 and len(labels[-1]) == 2 and len(labels[-2]) <= 3
    return ".".join(labels[-3 if is_below_a_country else -2 :])
