"""What a push service's answer means, and what those of all browsers of a person mean together."""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from tidings.deliveries.connectors.answered import answered
from tidings.deliveries.connectors.webhook.answer import outcome_of_failure
from tidings.deliveries.ledger.outcome import Outcome
from tidings.outbound.client import Answer
from tidings.outbound.errors import Blocked, OutboundFailed

NO_SUBSCRIPTION = Outcome(kind="refused", reason="no_subscription", detail="No browser of this person takes web pushes.")
LONG_AGO = datetime.min.replace(tzinfo=UTC)


def outcome_of(answer: Answer, now: datetime) -> Outcome:
    """is_gone is about a whole destination: a browser that is gone is `refused` here."""
    status = answer.status
    if 200 <= status < 300:
        return answered(answer, "delivered", now)
    said = f"The push service answered {status}."
    if status in (401, 403):
        return answered(answer, "retry", now, reason="unauthorized", detail=said)
    # 406 is how the service of Windows says that it is too much.
    is_curable = status in (406, 429) or status >= 500 or status < 400
    return answered(answer, "retry" if is_curable else "refused", now, detail=said)


def outcome_of_no_answer(error: OutboundFailed) -> Outcome:
    """A browser names its push service itself. One where nothing is sent to is no failure of the others."""
    outcome = outcome_of_failure(error)
    return msgspec.structs.replace(outcome, kind="refused") if isinstance(error, Blocked) else outcome


def is_gone(outcome: Outcome) -> bool:
    """The browser has unsubscribed (RFC 8030 §7.3; some services say 404)."""
    return outcome.status in (404, 410)


def together(outcomes: Sequence[Outcome]) -> Outcome:
    """Delivered if one browser got it. Else the worst that may pass, since the next attempt has to wait for that too."""
    delivered = [outcome for outcome in outcomes if outcome.kind == "delivered"]
    if delivered:
        return msgspec.structs.replace(delivered[0], detail=f"Taken for {len(delivered)} of {len(outcomes)} browsers.")
    curable = [outcome for outcome in outcomes if outcome.kind == "retry"]
    if curable:
        return max(curable, key=lambda outcome: (outcome.slow_down, outcome.retry_after or LONG_AGO))
    return next((outcome for outcome in outcomes if not is_gone(outcome)), NO_SUBSCRIPTION)
