"""Outcomes of requests over HTTP, of which a connector says what they mean."""

from datetime import datetime

import msgspec

from tidings.deliveries.connectors.webhook.answer import SLOW_DOWN, outcome_of_failure, retry_after
from tidings.deliveries.ledger.outcome import Kind, Outcome
from tidings.outbound.client import Answer
from tidings.outbound.errors import OutboundFailed

# How msgspec says that an answer's body is not what it should be: bad UTF-8 and deep nesting have exceptions of their own.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def answered(
    answer: Answer, kind: Kind, now: datetime, *, reason: str = "", detail: str = "", at: datetime | None = None, is_gone: bool = False
) -> Outcome:
    """reason: http_STATUS by default.   at: when the service wants to be tried again, where it does not say so by Retry-After."""
    is_delivered = kind == "delivered"
    return Outcome(
        kind=kind,
        reason=reason or f"http_{answer.status}",
        detail=detail,
        status=answer.status,
        retry_after=None if is_delivered else at or retry_after(answer.headers.get("retry-after"), now),
        is_gone=is_gone,
        slow_down=answer.status in SLOW_DOWN,
        latency=answer.latency,
        response=answer.body,
        truncated=answer.truncated,
    )


def unanswered(error: OutboundFailed) -> Outcome:
    """Of a request that must not arrive twice: where it may have arrived, it is unknown, unless the beginning of an answer refused it."""
    outcome = outcome_of_failure(error)
    is_refused = error.status_seen is not None and error.status_seen >= 400
    return msgspec.structs.replace(outcome, kind="unknown") if error.may_have_arrived and not is_refused else outcome
