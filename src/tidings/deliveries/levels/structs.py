"""What goes over the wire about service levels."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from tidings.deliveries.levels.objectives import DEFAULT

WindowName = Literal["1h", "24h", "7d", "30d"]


class NewTarget(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is asked of deliveries to one destination. What is left out is as for all."""

    success: Annotated[float, Meta(ge=0.5, le=0.99999, description="Share of deliveries that are to arrive.")] = DEFAULT.success
    p99_s: Annotated[float, Meta(ge=0.05, le=604_800, description="Seconds within which 99 % of those are to.")] = DEFAULT.p99_s


class TargetInfo(msgspec.Struct, frozen=True, kw_only=True):
    """is_default: nothing else was asked of this destination."""

    success: float
    p99_s: float
    is_default: bool


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """How deliveries ended. success: delivered of all that ended; null when none did.   late: delivered later than the target's `p99_s`.

    p50_s, p95_s, p99_s: seconds from acceptance to delivery, at most 4.9 % off; null when none arrived.
    """

    delivered: int
    dead: int
    late: int
    success: float | None
    p50_s: float | None
    p95_s: float | None
    p99_s: float | None


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds since the oldest delivery was accepted that waits: for its turn, its next attempt, its rate or its breaker. held_s: of those
    that only a person sets going, because their destination is disabled or it is not known whether they arrived.
    """

    pending_s: float | None
    held_s: float | None


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """left: share of the window's error budget; below 0 when more was spent.   burn_1h, burn_6h: burn rates; null when nothing ended."""

    left: float
    burn_1h: float | None
    burn_6h: float | None


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """The service level of one destination. missed_since: as long as its budget is spent too fast."""

    key: Annotated[str, Meta(examples=["ep_7k2m9x4bq1v8z3dw"])]
    connector: str
    figures: Figures
    waiting: Waiting
    target: TargetInfo
    success: Budget
    latency: Budget
    missed_since: datetime | None


class Whole(msgspec.Struct, frozen=True, kw_only=True):
    """Of all destinations with one connector, or of all; against the default target."""

    connector: str | None
    figures: Figures
    waiting: Waiting
    success: Budget
    latency: Budget


class LevelPage(msgspec.Struct, frozen=True, kw_only=True):
    """since: where the window really begins, at a full minute, hour or day.   project, connectors: on the first page alone."""

    window: WindowName
    since: datetime
    project: Whole | None
    connectors: list[Whole] | None
    items: list[Level]
    next: str | None


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """at: when its time begins, as long as the time line's `step_s`."""

    at: datetime
    figures: Figures


class LevelDetail(Level, frozen=True, kw_only=True):
    """timeline: by time; where nothing ended there is no point."""

    window: WindowName
    since: datetime
    step_s: int
    timeline: list[Point]
