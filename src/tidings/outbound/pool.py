"""Connections that are kept for the next request to the same place, and how many there may be."""

import asyncio
import time
from collections import deque
from collections.abc import Callable

from tidings.outbound.wire import Wire

# Requests at the same time. No fewer than deliveries may be out (`deliveries/ledger/dispatch.py`), so that none of them waits for another's
# receiver. For the same reason a place has no bound of its own: destinations of many projects have one host, as those of Slack do.
CONNECTIONS = 1600
# Servers close what is idle after 5 s (Node, uvicorn) or more. A request sent into a connection that is just being closed is lost.
KEEP_ALIVE_S = 4.0
SWEEP_S = 1.0
# Whoever has a thousand names would have us keep a thousand connections.
MOST_IDLE = 250

# Scheme, host and port: https never takes a connection of http.
Place = tuple[str, str, int]


class Pool:
    """limit: requests with a connection, or about to have one, at the same time.   keeps: whether connections are kept; may change."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.busy = 0
        self.waiting: dict[Place, deque[asyncio.Future[None]]] = {}
        self.idle: dict[Place, list[Wire]] = {}
        # The one that has been idle longest comes first.
        self.ages: dict[Wire, Place] = {}
        self.keeps: Callable[[], bool] = lambda: True
        self.is_closed = False
        self.sweeper: asyncio.TimerHandle | None = None

    # Who may

    def enter_at_once(self) -> bool:
        """Whether there was room. Nobody overtakes those who wait."""
        if self.waiting or self.busy >= self.limit:
            return False
        self.busy += 1
        return True

    async def enter(self, place: Place) -> None:
        """Wait for room; places take turns."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.setdefault(place, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave()
            else:
                self.forget(place, turn)
            raise

    def leave(self) -> None:
        while self.waiting:
            place = next(iter(self.waiting))
            turn = self.waiting[place][0]
            # Others first the next time.
            self.waiting[place] = self.waiting.pop(place)
            self.forget(place, turn)
            # Who gave up in this very step of the loop has not taken its turn away yet.
            if not turn.done():
                turn.set_result(None)
                return
        self.busy -= 1

    def forget(self, place: Place, turn: asyncio.Future[None]) -> None:
        turns = self.waiting.get(place)
        if turns is None or turn not in turns:
            return
        turns.remove(turn)
        if not turns:
            del self.waiting[place]

    # What is kept

    def take(self, place: Place) -> Wire | None:
        """The one that was used last, of those that still stand."""
        oldest = time.monotonic() - KEEP_ALIVE_S
        while place in self.idle:
            wire = self.idle[place][-1]
            self.forget_idle(wire)
            if wire.is_usable and wire.idle_since > oldest:
                return wire
            wire.abort()
        return None

    def keep(self, place: Place, wire: Wire) -> None:
        if not wire.is_usable or self.is_closed or not self.keeps():
            wire.abort()
            return
        wire.idle_since = time.monotonic()
        self.idle.setdefault(place, []).append(wire)
        self.ages[wire] = place
        if len(self.ages) > MOST_IDLE:
            self.drop(next(iter(self.ages)))
        if self.sweeper is None:
            self.sweeper = asyncio.get_running_loop().call_later(SWEEP_S, self.sweep)

    def drop(self, wire: Wire) -> None:
        self.forget_idle(wire)
        wire.abort()

    def forget_idle(self, wire: Wire) -> None:
        place = self.ages.pop(wire)
        self.idle[place].remove(wire)
        if not self.idle[place]:
            del self.idle[place]

    def sweep(self) -> None:
        """Close what has been idle too long."""
        oldest = time.monotonic() - KEEP_ALIVE_S
        for wire in list(self.ages):
            if wire.idle_since <= oldest or not wire.is_usable:
                self.drop(wire)
        self.sweeper = asyncio.get_running_loop().call_later(SWEEP_S, self.sweep) if self.ages else None

    def close(self) -> None:
        self.is_closed = True
        if self.sweeper is not None:
            self.sweeper.cancel()
        for wire in list(self.ages):
            self.drop(wire)
