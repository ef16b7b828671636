"""What a measure is asked for and answers. A figure stands beside what it has to reach: a bound of its own, or a peer in the same round."""

from pathlib import Path
from statistics import median
from typing import Literal

import msgspec

Bound = Literal["≤", "≥"]


class Form(msgspec.Struct, frozen=True):
    """How much to do. rounds: servers alternate this often, and medians are quoted.   is_long: the long form of a measure.

    kept: where a ground that takes long to fill is kept, and found again.   only_fills: measure nothing.
    """

    is_long: bool = False
    rounds: int = 3
    kept: Path | None = None
    only_fills: bool = False

    def choose(self, quick: float, long: float) -> float:
        return long if self.is_long else quick


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table.

    rounds: what was measured in each round, in `unit`.   beside: the same of a peer or of a floor, round by round, called `peer`.
    bound, limit: what has to hold for the median, or with `beside` for the median of the rounds' ratios (plus `allowance` in `unit`
    when the bound is the peer's figure and something more).   note: what else a reader must know.
    """

    measure: str
    what: str
    unit: str
    rounds: list[float]
    peer: str | None = None
    beside: list[float] = []
    bound: Bound | None = None
    limit: float | None = None
    allowance: float | None = None
    note: str = ""

    @property
    def value(self) -> float:
        return median(self.rounds)

    @property
    def ratio(self) -> float | None:
        """Of the same round, because a machine drifts."""
        pairs = [(own, other) for own, other in zip(self.rounds, self.beside, strict=False) if other]
        return median(own / other for own, other in pairs) if pairs else None

    @property
    def holds(self) -> bool | None:
        """None when there is nothing to hold, or no peer to hold it against."""
        if self.allowance is not None:
            return self.value <= median(self.beside) + self.allowance if self.beside else None
        measured = self.ratio if self.peer is not None else self.value
        if self.bound is None or self.limit is None or measured is None:
            return None
        return measured <= self.limit if self.bound == "≤" else measured >= self.limit


class Skipped(Exception):
    """This cannot be measured here; says why in words."""
