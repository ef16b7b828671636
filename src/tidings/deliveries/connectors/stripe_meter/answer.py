"""Stripe's answers (https://docs.stripe.com/api/errors). An event that it has already is an error to it, and to us as good as delivered."""

from datetime import datetime

import msgspec

from tidings.deliveries.connectors.analytics.answer import UNAUTHORIZED, outcome_of
from tidings.deliveries.connectors.answered import UNREADABLE
from tidings.deliveries.ledger.outcome import Outcome
from tidings.outbound.client import Answer

DUPLICATE_CODE = "duplicate_meter_event"
# Seen without a code, with this sentence.
DUPLICATE_WORDS = "already exists with identifier"
# A meter or customer that is missing can be made; 409 is another request with the same key that is under way.
CURABLE = UNAUTHORIZED | {402, 404, 409, 429}
MOST_WORDS = 500


class StripeError(msgspec.Struct):
    type: str = ""
    code: str | None = None
    param: str | None = None
    message: str = ""


class Failed(msgspec.Struct):
    error: StripeError


class Summary(msgspec.Struct):
    aggregated_value: float


class Summaries(msgspec.Struct):
    data: list[Summary]


def meaning_of(answer: Answer, now: datetime) -> Outcome:
    outcome = outcome_of(answer, "Stripe", now)
    if answer.status < 400:
        return outcome
    error = error_of(answer.body)
    if answer.status == 400 and (error.code == DUPLICATE_CODE or DUPLICATE_WORDS in error.message):
        return msgspec.structs.replace(outcome, kind="delivered", reason="known", detail="Stripe had this event already.")
    detail = f"{outcome.detail} It says: {error.message}"[:MOST_WORDS] if error.message else outcome.detail
    return msgspec.structs.replace(outcome, kind="retry" if is_curable(answer, error) else "refused", detail=detail)


def is_curable(answer: Answer, error: StripeError) -> bool:
    """`stripe-should-retry` is what Stripe's own libraries go by. A key that was used for another body is a new one the next time."""
    asked = answer.headers.get("stripe-should-retry") == "true" or error.type == "idempotency_error"
    return asked or answer.status in CURABLE or answer.status >= 500


def error_of(body: bytes) -> StripeError:
    try:
        return msgspec.json.decode(body, type=Failed).error
    except UNREADABLE:
        return StripeError()


def total_of(answer: Answer) -> float | None:
    """What the meter shows; None when the answer does not say."""
    if answer.status != 200:
        return None
    try:
        return sum(one.aggregated_value for one in msgspec.json.decode(answer.body, type=Summaries).data)
    except UNREADABLE:
        return None
