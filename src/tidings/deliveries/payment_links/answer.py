"""What Stripe's answer to a request for a payment link means to the caller (https://docs.stripe.com/api/errors)."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from tidings.access.idempotency import HEADER
from tidings.deliveries.connectors.analytics.answer import UNAUTHORIZED
from tidings.deliveries.connectors.answered import UNREADABLE
from tidings.deliveries.connectors.redaction import redacted
from tidings.deliveries.connectors.stripe_meter.answer import MOST_WORDS, StripeError, error_of
from tidings.deliveries.ledger.outcome import Outcome
from tidings.deliveries.payment_links.structs import PaymentLink
from tidings.errors import BadAnswer, Conflict, Invalid, TidingsError, Unavailable
from tidings.outbound.client import Answer
from tidings.outbound.errors import Blocked, OutboundFailed
from tidings.outbound.urls import parse

REPEATED = "idempotent-replayed"
# What Stripe calls a parameter begins so; the first that fits.
FIELDS = {
    "line_items[0][quantity]": "quantity",
    "line_items": "price",
    "metadata": "metadata",
    "after_completion": "after_completion_url",
}
PERMISSION = re.compile(r"\brak_[a-z_]{1,60}\b")
AGAIN_S = 5
SAME_LINK = "Repeat the same request in a moment: should Stripe have made the link, that one is answered, and no second is made."
OTHER_KEY = f"Repeat the request in a moment, with another {HEADER}: Stripe repeats its answer to one for a day."


class Made(msgspec.Struct, frozen=True):
    """is_repeated: whether there was this link before the request."""

    link: PaymentLink
    is_repeated: bool


def made_of(answer: Answer, secrets: Mapping[str, Any]) -> Made:
    """Raises what the caller is to know; no text of the secrets is in it."""
    if answer.status >= 400:
        raise refusal_of(answer, secrets)
    if answer.status >= 300:
        raise BadAnswer(f"Stripe answered {answer.status}, a redirect, and redirects are not followed.")
    try:
        link = msgspec.json.decode(answer.body, type=PaymentLink)
    except UNREADABLE:
        raise BadAnswer("Stripe answered what is no payment link. Its dashboard shows whether it was made.") from None
    if not leads_where_it_says(link.url):
        raise BadAnswer(f"Stripe made {link.id}, whose address is no plain https://… in ASCII on the usual port; it is not handed on.")
    return Made(link, is_repeated(answer))


def is_repeated(answer: Answer) -> bool:
    return answer.headers.get(REPEATED) == "true"


def leads_where_it_says(url: str) -> bool:
    """Not only to stripe.com: an account may have a domain of its own for its links (https://docs.stripe.com/payments/checkout/custom-domains).

    The fragment is the browser's, and nothing that is sent.
    """
    try:
        parsed = parse(url.partition("#")[0])
    except Blocked:
        return False
    return (parsed.scheme, parsed.port) == ("https", 443) and url.isascii() and url.isprintable() and "\\" not in url and " " not in url


def refusal_of(answer: Answer, secrets: Mapping[str, Any]) -> TidingsError:
    status, error = answer.status, error_of(answer.body)
    if status >= 500:
        return Unavailable(f"Stripe answered {status}. {OTHER_KEY}", retry_after=AGAIN_S)
    if status == 429:
        return Unavailable("Stripe is asked too often just now. Repeat the request in a moment.", retry_after=AGAIN_S)
    if status in UNAUTHORIZED:
        return Conflict(words_for_key(status, error.message))
    if status == 409:
        return Conflict("The same request is still under way at Stripe; repeat it in a moment.")
    if error.type == "idempotency_error":
        return Invalid(f"Stripe knows this {HEADER} from another request; use a new one.", field=HEADER)
    said = f" It says: {without(secrets, error.message)[:MOST_WORDS]}" if error.message else ""
    return Invalid(f"Stripe answered {status} and makes no such link.{said}", field=field_of(error))


def words_for_key(status: int, message: str) -> str:
    """Without the message, which ends with the last characters of the key."""
    lacking = PERMISSION.search(message)
    named = f" ({lacking[0]})" if lacking else ""
    return f"Stripe answered {status}: give the integration a restricted key, rk_…, that may write payment links{named}."


def field_of(error: StripeError) -> str | None:
    return next((field for start, field in FIELDS.items() if (error.param or "").startswith(start)), None)


def without(secrets: Mapping[str, Any], text: str) -> str:
    return redacted(Outcome(kind="refused", reason="", detail=text), secrets).detail


def failure_of(error: OutboundFailed) -> Unavailable:
    return Unavailable(f"Stripe cannot be asked just now: {error.detail} {SAME_LINK}", retry_after=AGAIN_S)
