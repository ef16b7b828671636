"""Whether the streams of a process that stops can all be opened elsewhere in the time it gives them."""

import math

from tidings.cli.doctor.judge.verdict import Verdict, fine, flaw, rounded, seconds
from tidings.cli.doctor.measured import Drain
from tidings.cli.doctor.report import Finding, Unchecked

# Opening a stream costs up to 0.7 ms of CPU (docs/performance.md): 1,400 a second keep a process busy, and half of that leaves it room.
MOST_A_SECOND = 1400
EASY_A_SECOND = 700
# A process sends no more than 200 streams a second away while its window allows it.
PACE = 200
# Told to go, a client comes back within 0.5 to 3 s of its own choice.
RETRY_S = 3


def judge_drain(drain: Drain | None) -> Verdict:
    if drain is None:
        return Unchecked("drain", "/health/ready did not say; it may not be passed on.")
    if coming_back(drain) > EASY_A_SECOND * others(drain):
        return too_short(drain)
    if drain.drain_s < RETRY_S:
        return no_window(drain)
    found = f"{situation(drain)}: at most {rounded(coming_back(drain))} a second come back."
    return fine("drain", "The drain window is long enough", found)


def coming_back(drain: Drain) -> float:
    """A second."""
    return min(drain.open, max(PACE, drain.open / max(drain.drain_s, RETRY_S)))


def others(drain: Drain) -> int:
    """Those that take over; one that is alone comes back itself."""
    return max(1, (2 if drain.processes is None else drain.processes) - 1)


def situation(drain: Drain) -> str:
    among = "" if drain.processes is None else f", one of {drain.processes},"
    streams = "1 stream" if drain.open == 1 else f"{drain.open} streams"
    return f"This process{among} holds {streams} and drains for {seconds(drain.drain_s)}"


def too_short(drain: Drain) -> Finding:
    rate = rounded(coming_back(drain))
    needed = math.ceil(drain.open / (EASY_A_SECOND * others(drain)))
    return flaw(
        "drain",
        "error" if rate > MOST_A_SECOND * others(drain) else "warning",
        "The drain window is too short",
        f"{situation(drain)}: {rate} a second come back, and one process opens {EASY_A_SECOND} with ease, {MOST_A_SECOND} at most.",
        f"Set TIDINGS_DRAIN_S to {needed} or more, with as much more patience in what stops it (terminationGracePeriodSeconds, "
        "TimeoutStopSec), or run more processes.",
    )


def no_window(drain: Drain) -> Finding:
    return flaw(
        "drain",
        "warning",
        "The drain window is too short",
        f"{situation(drain)}: less than the 3 s within which those that are sent away come back, so all come at once.",
        "Set TIDINGS_DRAIN_S to 10, which is the default, and TIDINGS_READINESS_DELAY_S to what the proxy takes to notice (interval × "
        "failures of its health check).",
    )
