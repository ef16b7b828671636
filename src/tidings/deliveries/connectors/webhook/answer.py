"""What a receiver's answer means."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from tidings.deliveries.ledger.outcome import Outcome
from tidings.outbound.client import Answer
from tidings.outbound.errors import Blocked, OutboundFailed, TimedOut

# By the specification's advice: whoever says these is to be sent less.
SLOW_DOWN = frozenset({429, 502, 503, 504})
GONE = 410


def outcome_of(answer: Answer, now: datetime) -> Outcome:
    """2xx is delivered. A redirect is no delivery: it is not followed, since it could lead anywhere."""
    status = answer.status
    is_delivered = 200 <= status < 300
    return Outcome(
        kind="delivered" if is_delivered else "refused" if status == GONE else "retry",
        reason=f"http_{status}",
        detail="" if is_delivered else words_for(status),
        status=status,
        retry_after=None if is_delivered else retry_after(answer.headers.get("retry-after"), now),
        is_gone=status == GONE,
        slow_down=status in SLOW_DOWN,
        latency=answer.latency,
        response=answer.body,
        truncated=answer.truncated,
    )


def words_for(status: int) -> str:
    if status == GONE:
        return "The receiver answered 410 Gone: it wants nothing any more, so the endpoint was disabled."
    if 300 <= status < 400:
        return f"The receiver answered {status}, a redirect, and redirects are not followed: set the endpoint's url to where it leads."
    return f"The receiver answered {status}; only 2xx means that it has got it."


def retry_after(value: str | None, now: datetime) -> datetime | None:
    """Seconds or a date (RFC 9110 §10.2.3); None for what is neither."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return now + timedelta(seconds=min(int(value.strip()[:9]), 10**8))
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


REASONS = {
    "NotResolved": "not_resolved",
    "NotConnected": "not_connected",
    "TlsFailed": "tls_failed",
    "HeadTooLarge": "head_too_large",
    "BrokenAnswer": "broken_answer",
}


def outcome_of_failure(error: OutboundFailed) -> Outcome:
    """A blocked address may be allowed, or the name lead elsewhere, by the time of a later attempt: it is tried again too.

    Whoever said 2xx has got it, however slowly the rest of the answer drips.
    """
    if error.status_seen is not None and 200 <= error.status_seen < 300:
        return Outcome(
            kind="delivered", reason=f"http_{error.status_seen}", detail=error.detail, status=error.status_seen, latency=error.latency
        )
    if isinstance(error, Blocked):
        reason = "blocked"
    elif isinstance(error, TimedOut):
        reason = f"timed_out_{error.phase}"
    else:
        reason = REASONS.get(type(error).__name__, "failed")
    return Outcome(kind="retry", reason=reason, detail=error.detail, status=error.status_seen, latency=error.latency)
