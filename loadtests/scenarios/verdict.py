"""What is measured in a run, and whether it keeps its thresholds. Pure."""

from collections.abc import Mapping

import msgspec

# Each is a number; None where nothing of the kind happened, which keeps no threshold.
MEASURED = {
    "lost": "notifications that were accepted and did not reach one they were for",
    "duplicates": "notifications that a device got twice",
    "out_of_order": "notifications that came after one that was sent later, or whose cursor did not rise",
    "strays": "notifications that came to somebody they were not for, or that nobody sent",
    "missing_in_inbox": "notifications that were accepted and not in the inbox afterwards",
    "resets": "streams whose cursor was of no use any more",
    "unanswered": "publishes that were repeated until the end and never answered",
    "accepted": "notifications accepted",
    "reached": "share of the planned notifications that were accepted",
    "publish_p50_ms": "POST /v1/notifications until its answer, half of them",
    "publish_p99_ms": "the same, all but one in a hundred",
    "stream_p50_ms": "from the POST until the event was read from an open stream, half of them",
    "stream_p99_ms": "the same, all but one in a hundred",
    "reconnects": "streams that came back",
    "reconnect_p99_ms": "from a broken stream until it is live again, all but one in a hundred",
    "inbox_p99_ms": "a page of an inbox, all but one in a hundred",
    "error_ratio": "share of requests, and of streams opened, that failed",
    "webhooks_lost": "notifications that were accepted and never reached the receiver",
    "webhooks_repeated": "deliveries that came again after the receiver had answered 2xx",
    "webhooks_forged": "deliveries whose signature does not hold",
    "webhooks_refused": "deliveries that the receiver answered with 500",
    "kills": "processes that were killed",
    "generator_cpu": "share of a processor that the busiest Locust process used; from 0.9 on, figures are Locust's and not Tidings'",
}


class Bound(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """At least one of the two."""

    most: float | None = None
    least: float | None = None

    def __post_init__(self) -> None:
        if self.most is None and self.least is None:
            raise ValueError("needs `most` or `least`")

    def holds(self, value: float | None) -> bool:
        """What was not measured holds nothing."""
        if value is None:
            return False
        return (self.most is None or value <= self.most) and (self.least is None or value >= self.least)

    def __str__(self) -> str:
        return " and ".join(f"{sign} {bound:g}" for sign, bound in (("≥", self.least), ("≤", self.most)) if bound is not None)


class Verdict(msgspec.Struct, frozen=True):
    name: str
    value: float | None
    bound: Bound
    holds: bool


def verdicts(thresholds: Mapping[str, Bound], measured: Mapping[str, float | None]) -> list[Verdict]:
    return [Verdict(name, measured.get(name), bound, bound.holds(measured.get(name))) for name, bound in thresholds.items()]
