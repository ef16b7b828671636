"""Looks at both colours each second for a while, and says no at the first look that the gate refuses."""

from collections.abc import Mapping
from typing import NamedTuple

from tidings.releases.colours import Drain, Timing
from tidings.releases.figures import Figures, Watched
from tidings.releases.gate import Threshold, Verdict, judge, newest, with_own, worst
from tidings.releases.plan import Plan
from tidings.releases.state import State

LOOKS_EVERY_S = 1.0


class Refused(Exception):
    """The gate said no."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__("; ".join(verdict.reasons))
        self.verdict = verdict


class Seen(NamedTuple):
    verdict: Verdict
    old: Figures


def watch(plan: Plan, state: State, watch_s: float, timing: Timing, was: Figures | None = None, drain: Drain | None = None) -> Seen:
    """The candidate beside the live colour. was: what the live one counted before.

    drain: of the live one; watched until it has ended, and `watch_s` from then on.

    Raises Refused.
    """
    thresholds = with_own(plan.thresholds)
    ours, theirs = (Watched(plan.colours[name].addresses, timing.clock) for name in (state.candidate or plan.other(state.live), state.live))
    until = timing.clock() + watch_s
    while True:
        measure = measured(theirs, was, state, thresholds)
        verdict = judge(ours.look(), measure, thresholds)
        if not verdict.passed:
            raise Refused(verdict)
        if drain is not None and drain.is_running:
            until = timing.clock() + watch_s
        elif timing.clock() >= until:
            return Seen(verdict, measure)
        timing.sleep(LOOKS_EVERY_S)


def measured(live: Watched, was: Figures | None, state: State, thresholds: Mapping[str, Threshold]) -> Figures:
    """What the live colour is as a measure.

    Drained, it ends its streams, which is none. Without traffic it answers only those who ask how it is, and fails nobody, so what it was
    before holds too; its deliveries go on.
    """
    if was is not None and state.phase == "draining":
        return was
    now = live.look()
    return newest(now, was, thresholds) if was is None or state.share < 100 else worst(was, now, thresholds)


def watch_alone(plan: Plan, colour: str, watch_s: float, timing: Timing) -> Figures:
    """What it counts before anything is taken from it."""
    watched, until = Watched(plan.colours[colour].addresses, timing.clock), timing.clock() + watch_s
    while True:
        figures = watched.look()
        if timing.clock() >= until:
            return figures
        timing.sleep(LOOKS_EVERY_S)
