"""Looks at both colours each second for a while, and says no at the first look that the gate refuses."""

from typing import NamedTuple

from tidings.releases.colours import Drain, Timing
from tidings.releases.figures import Figures, Watched
from tidings.releases.gate import Verdict, judge, with_own
from tidings.releases.plan import Plan

LOOKS_EVERY_S = 1.0


class Refused(Exception):
    """The gate said no."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__("; ".join(verdict.reasons))
        self.verdict = verdict


class Seen(NamedTuple):
    verdict: Verdict
    old: Figures


def watch(
    plan: Plan, new: str, old: str, watch_s: float, timing: Timing, drain: Drain | None = None, old_was: Figures | None = None
) -> Seen:
    """drain: of the old colour; watched until it has ended, and `watch_s` from then on.   old_was: the measure where the old one ends.

    Raises Refused.
    """
    thresholds = with_own(plan.thresholds)
    ours, theirs = (Watched(plan.colours[name].addresses, timing.clock) for name in (new, old))
    until = timing.clock() + watch_s
    while True:
        measure = theirs.look() if old_was is None else old_was
        verdict = judge(ours.look(), measure, thresholds)
        if not verdict.passed:
            raise Refused(verdict)
        if drain is not None and drain.is_running:
            until = timing.clock() + watch_s
        elif timing.clock() >= until:
            return Seen(verdict, measure)
        timing.sleep(LOOKS_EVERY_S)
