"""A circuit breaker for each destination, shared by all workers through its row in `lanes`.

The states and their changes are aiobreaker's. What it lacks is here: it counts failures in a row, and this counts the share of failures
in the last half minute to a minute, with a least number of attempts; its storage is synchronous, and this one is a row that was locked
before and is written after; it reads the clock of the machine, here the time is given. While the breaker is half open aiobreaker lets
everybody through: dispatch leases a single probe (`allowance.py`).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from aiobreaker import CircuitBreaker, CircuitBreakerError, CircuitBreakerState
from aiobreaker.storage.base import CircuitBreakerStorage

from tidings.deliveries.lanes.lane import Lane

WINDOW = timedelta(seconds=30)
LEAST_ATTEMPTS = 10
BAD_SHARE = 0.5
FIRST_PAUSE = timedelta(seconds=15)
LONGEST_PAUSE = timedelta(minutes=10)

STATES = {"closed": CircuitBreakerState.CLOSED, "open": CircuitBreakerState.OPEN, "half_open": CircuitBreakerState.HALF_OPEN}
NAMES = {state: name for name, state in STATES.items()}


class Failed(Exception):
    """What the breaker counts as a failure."""


class LaneStorage(CircuitBreakerStorage):  # type: ignore[misc]  # aiobreaker brings no types
    """aiobreaker's view of a lane at one moment."""

    def __init__(self, lane: Lane, now: datetime) -> None:
        super().__init__(str(lane.destination))
        self.lane = lane
        self.now = now

    @property
    def state(self) -> CircuitBreakerState:
        return STATES[self.lane.breaker]

    @state.setter
    def state(self, state: CircuitBreakerState) -> None:
        lane, name = self.lane, NAMES[state]
        if name == "open":
            lane.opened_at, lane.openings = self.now, lane.openings + 1
        elif name == "closed":
            lane.opened_at, lane.openings = None, 0
            lane.good = lane.bad = lane.good_before = lane.bad_before = 0
        lane.breaker = name

    def increment_counter(self) -> None:
        self.lane.bad += 1

    def reset_counter(self) -> None:
        self.lane.good += 1

    @property
    def counter(self) -> int:
        """1, which is all that opens it, when too many of the last attempts failed."""
        good, bad = self.lane.good + self.lane.good_before, self.lane.bad + self.lane.bad_before
        return int(good + bad >= LEAST_ATTEMPTS and bad >= BAD_SHARE * (good + bad))

    @property
    def opened_at(self) -> datetime:
        """For the text of an exception only; without a time zone, as aiobreaker compares it. The lane's own is set with the state."""
        return self.now.replace(tzinfo=None)

    @opened_at.setter
    def opened_at(self, _: datetime) -> None: ...


def tell(lane: Lane, outcomes: Sequence[bool], now: datetime) -> None:
    """Change the lane by how attempts ended, in their order; True is a success."""
    turn_window(lane, now)
    storage = LaneStorage(lane, now)
    breaker = CircuitBreaker(fail_max=1, state_storage=storage)
    for outcome in outcomes:
        if lane.breaker == "open":
            # Begun before it opened. It says nothing new, unless it went well: then there is somebody again, and a probe may go as soon
            # as the last of these has ended. Until then it stays open: none of their failures is that of a probe.
            if outcome:
                lane.opened_at = min(lane.opened_at or now, now - pause_after(lane.openings))
            continue
        try:
            breaker.call(end, outcome)
        except (Failed, CircuitBreakerError):
            continue


def end(outcome: bool) -> None:
    if not outcome:
        raise Failed


def turn_window(lane: Lane, now: datetime) -> None:
    """Two halves: the one under way, and the one before it."""
    if now - lane.window_at < WINDOW:
        return
    is_next = now - lane.window_at < 2 * WINDOW
    lane.good_before, lane.bad_before = (lane.good, lane.bad) if is_next else (0, 0)
    lane.good = lane.bad = 0
    lane.window_at = now


def opens_until(opened_at: datetime, openings: int) -> datetime:
    """Until when nothing goes there."""
    return opened_at + pause_after(openings)


def pause_after(openings: int) -> timedelta:
    """15 s, twice as long after each probe that failed, at most ten minutes."""
    pause: timedelta = FIRST_PAUSE * 2.0 ** min(openings - 1, 10)
    return min(pause, LONGEST_PAUSE)
