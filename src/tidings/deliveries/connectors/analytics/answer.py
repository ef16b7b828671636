"""What an answer to a request with events means, where a service says nothing more about it."""

from datetime import datetime

import msgspec

from tidings.deliveries.connectors.answered import answered
from tidings.deliveries.ledger.outcome import Outcome
from tidings.outbound.client import Answer

UNAUTHORIZED = frozenset({401, 403})
# 408 and 425 ask for the same again. What is refused otherwise would be refused the next time.
AGAIN = frozenset({408, 425, 429})
# It is kept with each delivery of the request.
KEPT_BYTES = 1024


def outcome_of(answer: Answer, service: str, now: datetime, delivered: str = "") -> Outcome:
    """service: its name, for sentences.   delivered: what is to be known of its 2xx.

    A wrong key can be put right, so what it would not let in is sent again.
    """
    status = answer.status
    is_delivered = 200 <= status < 300
    is_refused = 400 <= status < 500 and status not in UNAUTHORIZED | AGAIN
    outcome = answered(
        answer,
        "delivered" if is_delivered else "refused" if is_refused else "retry",
        now,
        reason="unauthorized" if status in UNAUTHORIZED else "",
        detail=delivered if is_delivered else words_for(status, service),
    )
    if len(answer.body) <= KEPT_BYTES:
        return outcome
    return msgspec.structs.replace(outcome, response=answer.body[:KEPT_BYTES], truncated=True)


def words_for(status: int, service: str) -> str:
    if status in UNAUTHORIZED:
        return f"{service} answered {status}: the key of this integration is not accepted."
    if 300 <= status < 400:
        return f"{service} answered {status}, a redirect, and redirects are not followed."
    return f"{service} answered {status}; only 2xx means that it has taken the events."
