"""What a Locust process has counted: plain numbers that travel to the master each second and add up there."""

from collections.abc import Iterable

import msgspec

MOST_TOLD = 20


class Tally(msgspec.Struct, kw_only=True):
    """gathered: devices whose stream has been live.   streams: open now.   unanswered: publishes under way.

    pending: accepted and not arrived.   cpu: share of a processor.   told: the first things that were wrong, in words.
    """

    gathered: int = 0
    streams: int = 0
    pending: int = 0
    accepted: int = 0
    unanswered: int = 0
    duplicates: int = 0
    out_of_order: int = 0
    strays: int = 0
    missing_in_inbox: int = 0
    resets: int = 0
    reconnects: int = 0
    cpu: float = 0.0
    told: list[str] = []


def together(tallies: Iterable[Tally]) -> Tally:
    """The sum; of `cpu` the highest, since one process that is full delays what it measures."""
    total = Tally()
    for tally in tallies:
        for name in Tally.__struct_fields__:
            setattr(total, name, max(total.cpu, tally.cpu) if name == "cpu" else getattr(total, name) + getattr(tally, name))
    total.told = total.told[:MOST_TOLD]
    return total


def high(counts: dict[int, int], share: float) -> float | None:
    """A percentile of values with how often each was there."""
    left = (1 - share) * sum(counts.values())
    for value in sorted(counts, reverse=True):
        left -= counts[value]
        if counts[value] and left < 0:
            return float(value)
    return None
