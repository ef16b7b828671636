"""Error budgets and burn rates, after Google's SRE Workbook, chapter 5 ("Alerting on SLOs", multiwindow, multi-burn-rate alerts). Pure.

A target leaves a budget: with 99.9 % success, one in a thousand may die; 99 % within `p99_s` leaves one in a hundred that is later. The
burn rate is how fast it is spent: 1 spends the budget of a window in that window, 14.4 spends that of 30 days in two days.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Literal

import msgspec

Objective = Literal["success", "latency"]
OBJECTIVES: tuple[Objective, ...] = ("success", "latency")
LATE_SHARE = 0.01
# Before so many have ended in the long window, a single failure would cross any rate (the workbook's "low-traffic services").
LEAST_ENDED = 10


class Target(msgspec.Struct, frozen=True):
    """success: share of deliveries that are to arrive.   p99_s: seconds within which 99 % of those are to."""

    success: float = 0.999
    p99_s: float = 60.0

    def budget(self, objective: Objective) -> float:
        return 1 - self.success if objective == "success" else LATE_SHARE


DEFAULT = Target()


class Tally(msgspec.Struct, frozen=True):
    """late: of the delivered, those that took longer than the target allows."""

    delivered: int = 0
    dead: int = 0
    late: int = 0

    def ended(self, objective: Objective) -> int:
        return self.delivered + self.dead if objective == "success" else self.delivered

    def bad(self, objective: Objective) -> int:
        return self.dead if objective == "success" else self.late


def burn_rate(tally: Tally, objective: Objective, target: Target) -> float | None:
    """None when nothing has ended."""
    ended = tally.ended(objective)
    return tally.bad(objective) / ended / target.budget(objective) if ended else None


def budget_left(tally: Tally, objective: Objective, target: Target) -> float:
    """Share of the window's budget; below 0 when more was spent than there was."""
    return 1 - (burn_rate(tally, objective, target) or 0.0)


class Rule(msgspec.Struct, frozen=True):
    """Too fast: this rate over both windows. The long one says that it matters, the short one that it still goes on."""

    rate: float
    long: timedelta
    short: timedelta


RULES = (Rule(14.4, timedelta(hours=1), timedelta(minutes=5)), Rule(6.0, timedelta(hours=6), timedelta(minutes=30)))
WINDOWS = tuple(window for rule in RULES for window in (rule.long, rule.short))


class Breach(msgspec.Struct, frozen=True):
    objective: Objective
    rule: Rule
    tally: Tally
    rate: float


def breach(tallies: Mapping[timedelta, Tally], target: Target) -> Breach | None:
    """The first rule that is broken. tallies: of each of WINDOWS."""
    for objective in OBJECTIVES:
        for rule in RULES:
            tally = tallies[rule.long]
            long, short = (burn_rate(tallies[window], objective, target) for window in (rule.long, rule.short))
            if tally.ended(objective) >= LEAST_ENDED and long is not None and min(long, short or 0.0) >= rule.rate:
                return Breach(objective, rule, tally, long)
    return None


def is_over(tallies: Mapping[timedelta, Tally], target: Target) -> bool:
    """Whether a breach has ended. While nothing ends, nobody knows: a receiver whose breaker is open is not back."""
    return all(is_met(tallies, rule, objective, target) for objective in OBJECTIVES for rule in RULES)


def is_met(tallies: Mapping[timedelta, Tally], rule: Rule, objective: Objective, target: Target) -> bool:
    long, short = (burn_rate(tallies[window], objective, target) for window in (rule.long, rule.short))
    if long is None:
        return objective == "latency" and tallies[rule.long].dead > 0  # none arrived, so none late; success judges the dead
    return long < rule.rate or (short is not None and short < rule.rate)
