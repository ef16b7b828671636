"""Whether an event may be sent again, by the attempts before.

Stripe holds identifiers and idempotency keys against repetition for 24 hours at the least, and promises nothing beyond. What may have
arrived earlier than that would be billed twice, so a person decides.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

import asyncpg
import msgspec

EARLIER = "SELECT started_at, outcome, reason, status FROM attempts WHERE delivery = $1::uuid AND number < $2 ORDER BY number"

# Half an hour less than what Stripe promises, for an attempt under way and for clocks.
KNOWN_FOR = timedelta(hours=23, minutes=30)
# The reason of what is held for a person; an attempt that follows it is what they decided.
TO_DECIDE = "to_decide"
# Reasons of attempts that ended before a byte was sent.
UNSENT = frozenset({"blocked", "not_resolved", "not_connected", "tls_failed", "sealed"})
UNSENT |= {f"timed_out_{phase}" for phase in ("queue", "dns", "connect", "tls")}

Standing = Literal["metered", "send", "to_decide"]


class Earlier(msgspec.Struct, frozen=True):
    """An attempt before this one. outcome: None when nobody wrote down how it ended."""

    started_at: datetime
    outcome: str | None
    reason: str | None
    status: int | None


async def earlier_attempts(pool: asyncpg.Pool, delivery: str, number: int) -> list[Earlier]:
    return [Earlier(*row) for row in await pool.fetch(EARLIER, delivery, number)] if number > 1 else []


def standing_of(earlier: Sequence[Earlier], now: datetime) -> Standing:
    """metered: it is there, and a replay bills nothing anew."""
    if any(one.outcome == "delivered" for one in earlier):
        return "metered"
    if earlier and earlier[-1].reason == TO_DECIDE:
        return "send"
    return "to_decide" if any(may_have_arrived(one) and now - one.started_at > KNOWN_FOR for one in earlier) else "send"


def may_have_arrived(one: Earlier) -> bool:
    if one.status is not None:
        return one.status >= 500
    return one.reason not in UNSENT and one.reason != TO_DECIDE


def idempotency_key(delivery: str, earlier: Sequence[Earlier]) -> str:
    """The delivery's id while no attempt was answered. Stripe repeats its first answer to a key, a 500 too, for as long as it knows it."""
    answered = sum(one.status is not None for one in earlier)
    return f"{delivery}-{answered}" if answered else delivery
