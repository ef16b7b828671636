"""How an attempt ended, and what follows from it. Pure: `(outcome, attempt, now) → next`."""

import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from tidings.outbound.latency import Latency

Kind = Literal["delivered", "retry", "refused", "unknown"]
# What a receiver may ask us to wait with Retry-After, at most.
LONGEST_RETRY_AFTER = timedelta(hours=24)
JITTER = 0.2


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """kind: delivered; retry, if there is a further attempt; refused, for good; unknown, whether it arrived, and it must not arrive twice.

    reason: a word for lists and metrics, as in `http_503`.   detail: in words, safe to show.   status: of an HTTP answer.
    retry_after: when the receiver asked to be tried again.   is_gone: the receiver wants nothing any more (410).
    slow_down: it is there, and has too much to do: everything for it waits a little.   was_made: not where we could not even begin, which
    says nothing of the receiver.
    """

    kind: Kind
    reason: str
    detail: str = ""
    status: int | None = None
    retry_after: datetime | None = None
    is_gone: bool = False
    slow_down: bool = False
    was_made: bool = True
    latency: Latency | None = None
    response: bytes = b""
    truncated: bool = False


class Next(msgspec.Struct, frozen=True):
    """The delivery's state from now on, and when it is tried again if it is pending."""

    state: Literal["pending", "delivered", "dead", "held"]
    at: datetime | None = None


def next_of(
    outcome: Outcome, attempt: int, schedule: Sequence[int], now: datetime, random_share: Callable[[], float] = random.random
) -> Next:
    """attempt: the number of this one in its round, from 1.   schedule: seconds from each failed attempt to the next."""
    if outcome.kind == "delivered":
        return Next("delivered")
    if outcome.kind == "unknown":
        return Next("held")
    if outcome.kind == "refused" or attempt > len(schedule):
        return Next("dead")
    wait = timedelta(seconds=schedule[attempt - 1] * (1 + JITTER * (2 * random_share() - 1)))
    asked = min(outcome.retry_after, now + LONGEST_RETRY_AFTER) if outcome.retry_after else now
    return Next("pending", max(now + wait, asked))
