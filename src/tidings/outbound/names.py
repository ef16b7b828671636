"""From a name to addresses. A name server that says nothing holds up those who asked for its names, and nobody else.

Lookups are threads (`lookup.py`), so there is a bound to them, and of that bound each site has a share. Sites that did not answer lately
have one share together: however many there are, the others find room. An answer that was there before serves while the next one is late.
"""

import asyncio
import socket
import time
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from tidings.outbound.lookup import Ask, Lookup, ask_the_system
from tidings.outbound.networks import Address

# Threads at the same time; of them for names of one site; and for those of all slow sites together.
THREADS = 256
THREADS_A_SITE = 8
THREADS_FOR_SLOW_SITES = 64
# A site is slow from a lookup that took longer than this, until one takes less, or for so long.
SLOW_AFTER_S = 1.0
SLOW_FOR_S = 300.0
SLOW_SITES = 1000
# How long an answer is used again, for connections that are opened one after another. What is connected to was checked all the same.
KEPT_S = 10.0
# How old it may be where the next one is late or fails, and how long that is waited for. RFC 8767 would allow days; a receiver that has
# moved is found within the hour.
STALE_S = 3600.0
STALE_AFTER_S = 0.5
KEPT = 10_000

NO_SUCH_NAME = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})

T = TypeVar("T")


class Known(NamedTuple):
    """at: by the clock of Names."""

    at: float
    addresses: list[Address]


class Names:
    """`await names.addresses(host)`. Callers who ask for the same name share one lookup, which goes on when one of them gives up."""

    def __init__(self, ask: Ask = ask_the_system, clock: Callable[[], float] = time.monotonic) -> None:
        self.ask = ask
        self.clock = clock
        self.known: dict[str, Known] = {}
        self.slow: dict[str, float] = {}  # sites, since when
        self.wanted: dict[str, Lookup] = {}
        self.queue: dict[str, Lookup] = {}  # those that wait for a thread
        self.threads: Counter[str] = Counter()  # by site
        self.is_closed = False

    async def addresses(self, host: str) -> list[Address]:
        """In the order in which they should be tried (RFC 6724). Raises OSError, or UnicodeError for what is no name."""
        known = self.known_of(host)
        if known is not None and self.age_s(known) < KEPT_S:
            return known.addresses
        lookup = self.wanted.get(host) or self.want(host)
        await self.wait(lookup, STALE_AFTER_S if known else None)
        if known is not None and is_late_or_failed(lookup):
            return known.addresses
        return lookup.answer.result()

    async def wait(self, lookup: Lookup, patience_s: float | None) -> None:
        """patience_s: from when it was first asked for."""
        left_s = None if patience_s is None else max(0.0, lookup.asked_at + patience_s - asyncio.get_running_loop().time())
        lookup.callers += 1
        try:
            await asyncio.wait([lookup.answer], timeout=left_s)
        finally:
            lookup.callers -= 1
            if not lookup.callers and self.queue.get(lookup.name) is lookup:
                # It would take a thread for nobody: of a thousand names that hang, most callers give up before theirs has had one.
                del self.queue[lookup.name], self.wanted[lookup.name]

    def close(self) -> None:
        self.is_closed = True
        for lookup in self.wanted.values():
            lookup.answer.cancel()

    # Threads

    def want(self, host: str) -> Lookup:
        lookup = self.wanted[host] = self.queue[host] = Lookup(host)
        self.begin_next()
        return lookup

    def begin_next(self) -> None:
        """As many of those that wait as there is room for, in their order."""
        free = THREADS - self.threads.total()
        free_for_slow = THREADS_FOR_SLOW_SITES - sum(count for site, count in self.threads.items() if self.is_slow(site))
        for lookup in list(self.queue.values()):
            if free <= 0 or self.is_closed:
                return
            is_slow = self.is_slow(lookup.site)
            if self.threads[lookup.site] < THREADS_A_SITE and not (is_slow and free_for_slow <= 0):
                free, free_for_slow = free - 1, free_for_slow - is_slow
                del self.queue[lookup.name]
                self.begin(lookup)

    def begin(self, lookup: Lookup) -> None:
        self.threads[lookup.site] += 1
        late = asyncio.get_running_loop().call_later(SLOW_AFTER_S, self.note_slow, lookup.site)
        lookup.begin(self.ask, lambda: self.end(lookup, late))

    def end(self, lookup: Lookup, late: asyncio.TimerHandle) -> None:
        late.cancel()
        del self.wanted[lookup.name]
        self.threads[lookup.site] -= 1
        if not self.threads[lookup.site]:
            del self.threads[lookup.site]
        if lookup.took_s() < SLOW_AFTER_S:
            self.slow.pop(lookup.site, None)
        if (addresses := lookup.found()) is not None:
            put(self.known, lookup.name, Known(self.clock(), addresses), KEPT)
        self.begin_next()

    # What is remembered

    def known_of(self, host: str) -> Known | None:
        """Unless it is too old for anything."""
        known = self.known.get(host)
        return known if known is not None and self.age_s(known) < STALE_S else None

    def age_s(self, known: Known) -> float:
        return self.clock() - known.at

    def note_slow(self, site: str) -> None:
        put(self.slow, site, self.clock(), SLOW_SITES)

    def is_slow(self, site: str) -> bool:
        since = self.slow.get(site)
        return since is not None and self.clock() < since + SLOW_FOR_S


def put(memory: dict[str, T], key: str, value: T, most: int) -> None:
    """As the newest; the oldest goes when there are more."""
    memory.pop(key, None)
    memory[key] = value
    if len(memory) > most:
        del memory[next(iter(memory))]


def is_late_or_failed(lookup: Lookup) -> bool:
    """A name that is said not to be there has been taken away: that is an answer."""
    if not lookup.answer.done():
        return True
    error = lookup.answer.exception()
    return isinstance(error, OSError) and error.errno not in NO_SUCH_NAME
