"""What Discord's answer means (https://docs.discord.com/developers/topics/rate-limits, …/topics/opcodes-and-status-codes)."""

from contextlib import suppress
from datetime import datetime, timedelta

import msgspec

from tidings.deliveries.connectors.answered import answered
from tidings.deliveries.connectors.lengths import cut
from tidings.deliveries.ledger.outcome import Outcome
from tidings.outbound.client import Answer


class Refusal(msgspec.Struct, frozen=True):
    """code: of Discord's own.   retry_after: seconds."""

    code: int = 0
    message: str = ""
    retry_after: float | None = None


def outcome_of(answer: Answer, now: datetime) -> Outcome:
    status = answer.status
    if 200 <= status < 300:
        return taken(answer, now)
    refusal = refusal_in(answer.body)
    said = f"Discord answered {status}" + (f" ({refusal.code}: {cut(refusal.message, 200)})." if refusal.code else ".")
    if status in (404, 410):
        return answered(answer, "refused", now, detail=f"{said} The webhook or its thread was deleted.", is_gone=True)
    if status in (401, 403):
        return answered(answer, "retry", now, reason="unauthorized", detail=said)
    is_curable = status == 429 or status >= 500 or status < 400
    return answered(answer, "retry" if is_curable else "refused", now, detail=said, at=again_at(answer, refusal, now))


def taken(answer: Answer, now: datetime) -> Outcome:
    """The last one of its bucket says so: the next would be refused until the bucket is full again."""
    outcome = answered(answer, "delivered", now)
    resets_at = after(answer.headers.get("x-ratelimit-reset-after"), now)
    if answer.headers.get("x-ratelimit-remaining") != "0" or resets_at is None:
        return outcome
    return msgspec.structs.replace(outcome, slow_down=True, retry_after=resets_at)


def again_at(answer: Answer, refusal: Refusal, now: datetime) -> datetime | None:
    """To the millisecond, where Retry-After has whole seconds."""
    if answer.status != 429:
        return None
    return after(refusal.retry_after, now) or after(answer.headers.get("x-ratelimit-reset-after"), now)


def after(seconds: str | float | None, now: datetime) -> datetime | None:
    """None for what is no number of seconds."""
    with suppress(ValueError, TypeError, OverflowError):
        return now + timedelta(seconds=float(seconds or ""))
    return None


def refusal_in(body: bytes) -> Refusal:
    """Cloudflare, which stands before Discord, answers in HTML."""
    with suppress(msgspec.MsgspecError, UnicodeDecodeError):
        return msgspec.json.decode(body, type=Refusal)
    return Refusal()
