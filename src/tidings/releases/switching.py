"""Step by step to the new colour, watched by the gate; back as soon as it says no.

The old colour is drained last. Until then going back is a matter of the proxy alone; afterwards its processes are started first.

    live ──► candidate at 10 % ──► 50 % ──► 100 % ──► old colour drained, watched on ──► candidate is live
               └──────────────┴─────────┴───────────────────┴──► all to the old colour, then the new one drained
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from tidings.errors import TidingsError
from tidings.releases.colours import Drain, Timing, bring_up, is_any_ready
from tidings.releases.gate import Verdict
from tidings.releases.plan import Plan
from tidings.releases.proxies import route
from tidings.releases.signals import undisturbed
from tidings.releases.state import State, write_state
from tidings.releases.watching import Refused, watch, watch_alone

# At most, of the old colour before it loses everything at once: what the new one is measured by then.
ALONE_S = 60.0
Told = Callable[[str], None]


class Outcome(NamedTuple):
    """verdict: None where the gate was not asked.   rollback_s: from the decision until the proxy sent everybody to the old colour."""

    state: State
    verdict: Verdict | None = None
    rollback_s: float | None = None


def switch(plan: Plan, live: str, steps: Sequence[int], watch_s: float, tell: Told, timing: Timing) -> Outcome:
    """From the live colour to the other one. steps: percent, rising to 100.   watch_s: of each step, and after the drain.

    Whatever else ends it (SIGINT, a proxy that refuses, a process that does not start) takes back what was done, too.
    """
    new, drain = plan.other(live), Drain(plan.colours[live].stop)
    try:
        record(plan, State(live, new, 0, "switching"))
        bring_up(plan.colours[new], new, timing)
        was = watch_alone(plan, live, min(watch_s, ALONE_S), timing) if steps[0] == 100 else None
        for share in steps:
            state = give(plan, State(live, new, share, "switching"))
            tell(f"{new} has {share} % of the traffic.")
            was = watch(plan, state, watch_s, timing, was).old
        state = record(plan, State(live, new, 100, "draining"))
        tell(f"{live} is drained.")
        seen = watch(plan, state, watch_s, timing, was, drain.begin())
        drain.end()
    except Refused as refused:
        return go_back(plan, live, new, refused.verdict.reasons, tell, timing, drain)._replace(verdict=refused.verdict)
    except BaseException as error:
        go_back(plan, live, new, [str(error) or type(error).__name__], tell, timing, drain)
        raise
    return Outcome(record(plan, State(new, previous=live)), seen.verdict)


def roll_back(plan: Plan, state: State, tell: Told, timing: Timing) -> Outcome:
    """A release that is under way, or was left so, is taken back; a finished one too, once.

    Raises TidingsError where there is nothing to go back to.
    """
    good, bad = (state.live, state.candidate) if state.candidate else (state.previous, state.live)
    if good is None or bad is None:
        raise TidingsError("There is nothing to go back to: no release is under way, and the last one was rolled back.")
    return go_back(plan, good, bad, ["asked for"], tell, timing)


@undisturbed()
def go_back(plan: Plan, good: str, bad: str, reasons: Sequence[str], tell: Told, timing: Timing, drain: Drain | None = None) -> Outcome:
    """Everybody to the good colour, at once if any of its processes is ready; then the bad one is drained.

    Nothing is said before that is done and written down: `tell` may fail.   drain: of the good one, where that may have begun.
    """
    began, colour = timing.clock(), plan.colours[good]
    drain = drain or Drain([])
    if not is_any_ready(colour):
        drain.cease()
        bring_up(colour, good, timing)
    route(plan, {good: 100})
    took_s = timing.clock() - began
    state = record(plan, State(good, phase="rolled back", reasons=tuple(reasons)))
    tell(f"Back to {good}: {'; '.join(reasons)}. It has all of the traffic again, after {took_s:.1f} s; {bad} is drained.")
    drain.cease()
    bring_up(colour, good, timing)
    Drain(plan.colours[bad].stop).begin().end()
    return Outcome(state, rollback_s=took_s)


def give(plan: Plan, state: State) -> State:
    """Written down first: whoever comes after a kill sets the proxy by it (`tidings release apply`)."""
    state = record(plan, state)
    route(plan, state.shares)
    return state


def record(plan: Plan, state: State) -> State:
    return write_state(plan, State(state.live, state.candidate, state.share, state.phase, state.previous, state.reasons, datetime.now(UTC)))
