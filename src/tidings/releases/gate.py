"""Whether a new version is good enough, beside the old one and under the same load.

Each figure is a ratio. It fails when it is above what is always fine (`at_most`) and also worse than `times_old` times the old version's;
above `never` it fails whatever the old one does. Where too little happened (`least`, of the ratio's denominator) it is not judged.
The old version is the measure because much is nobody's release: an endpoint that has been down since yesterday, a page that people leave.
"""

import math
from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from tidings.errors import Misconfigured
from tidings.releases.figures import Figures


class Threshold(msgspec.Struct, frozen=True):
    """The figure is `part` of `whole`, both members of Figures; `unit` completes a sentence."""

    part: str
    whole: str
    unit: str
    at_most: float
    times_old: float
    never: float
    least: float


THRESHOLDS = {
    "http_errors": Threshold("server_errors", "requests", "of requests answered with 5xx", 0.01, 2, 0.05, 50),
    # A version with another secret is ready, fails nothing, and accepts no key: 200 of 200 publishes were answered with 401.
    "refused": Threshold("refused", "requests", "of requests answered with 401 or 403", 0.05, 2, math.inf, 50),
    "stream_lag": Threshold("late_writes", "writes", "of writes to streams more than 1 s after their commit", 0.01, 2, 0.10, 20),
    "reconnects": Threshold("ended_streams", "stream_minutes", "ends per open stream and minute", 1, 2, 30, 1),
    "delivery": Threshold("failed_attempts", "attempts", "of delivery attempts without success", 0.05, 1.5, 0.50, 20),
    "failures": Threshold("failures", "minutes", "unforeseen failures a minute", 1, 2, math.inf, 0.05),
}


class Judged(msgspec.Struct, frozen=True):
    """One figure. new, old: None where too little happened.   allowed: above it the figure fails."""

    figure: str
    state: Literal["pass", "fail", "not judged"]
    reason: str
    new: float | None = None
    old: float | None = None
    allowed: float | None = None


class Verdict(msgspec.Struct, frozen=True):
    passed: bool
    figures: list[Judged]

    @property
    def reasons(self) -> list[str]:
        """Why it failed."""
        return [judged.reason for judged in self.figures if judged.state == "fail"]


def judge(new: Figures, old: Figures | None, thresholds: Mapping[str, Threshold] = THRESHOLDS) -> Verdict:
    """old: None where nothing old runs any more; then only what is always fine passes."""
    judged = [presence(new), *(judge_one(name, threshold, new, old) for name, threshold in thresholds.items())]
    return Verdict(all(one.state != "fail" for one in judged), judged)


def presence(new: Figures) -> Judged:
    if new.missing:
        return Judged("processes", "fail", f"{', '.join(new.missing)} of the new version: no answer")
    return Judged("processes", "pass", "every process of the new version answers")


def judge_one(name: str, threshold: Threshold, new: Figures, old: Figures | None) -> Judged:
    ours, theirs = ratio(threshold, new), None if old is None else ratio(threshold, old)
    if ours is None:
        seen = getattr(new, threshold.whole)
        return Judged(name, "not judged", f"{name}: only {seen:.3g} {threshold.whole.replace('_', ' ')} of {threshold.least:g}", old=theirs)
    allowed = min(threshold.never, max(threshold.at_most, threshold.times_old * (theirs or 0.0)))
    beside = "" if theirs is None else f", the old version {theirs:.3g}"
    reason = f"{name}: {ours:.3g} {threshold.unit} ({allowed:.3g} allowed{beside})"
    return Judged(name, "fail" if ours > allowed else "pass", reason, ours, theirs, allowed)


def ratio(threshold: Threshold, figures: Figures) -> float | None:
    whole: float = getattr(figures, threshold.whole)
    return getattr(figures, threshold.part) / whole if whole >= threshold.least else None


def newest(now: Figures, before: Figures | None, thresholds: Mapping[str, Threshold]) -> Figures:
    """Each figure as it is now, or where too little has happened yet as it was before."""
    return each(thresholds, lambda threshold: now if before is None or ratio(threshold, now) is not None else before)


def worst(one: Figures, other: Figures, thresholds: Mapping[str, Threshold]) -> Figures:
    """Each figure from where it is worse."""
    return each(thresholds, lambda threshold: max(one, other, key=lambda figures: ratio(threshold, figures) or 0.0))


def each(thresholds: Mapping[str, Threshold], source: Callable[[Threshold], Figures]) -> Figures:
    chosen = [(source(threshold), (threshold.part, threshold.whole)) for threshold in thresholds.values()]
    return Figures(**{member: getattr(figures, member) for figures, members in chosen for member in members})


def with_own(own: Mapping[str, Mapping[str, float]]) -> dict[str, Threshold]:
    """own: members that differ, by figure. Raises Misconfigured."""
    thresholds = dict(THRESHOLDS)
    for name, members in own.items():
        unknown = set(members) - {"at_most", "times_old", "never", "least"}
        if name not in thresholds or unknown:
            raise Misconfigured(
                f"thresholds.{name}{'.' + min(unknown) if unknown else ''}: the figures are {', '.join(THRESHOLDS)}, "
                "each with at_most, times_old, never and least."
            )
        thresholds[name] = msgspec.structs.replace(thresholds[name], **members)
    return thresholds
