"""What became of a notification, by what its requests came to: Apprise itself says no more than yes or no."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from tidings.deliveries.connectors.analytics.answer import outcome_of as outcome_of_answer
from tidings.deliveries.connectors.answered import unanswered
from tidings.deliveries.connectors.apprise.carrying import Exchange
from tidings.deliveries.ledger.outcome import Outcome
from tidings.outbound.client import Answer

NOTHING_SENT = Outcome(
    kind="refused",
    reason="not_sent",
    detail="Apprise sent nothing: the URL lacks something, or the service needs what is not permitted here (files, sockets, programs).",
)


def outcome_of(is_sent: bool, exchanges: Sequence[Exchange], now: datetime) -> Outcome:
    """Answers are not kept: those to a login are credentials. Some services say yes when their URL names nobody to send to."""
    if not exchanges:
        return NOTHING_SENT
    last = last_outcome(exchanges[-1], now)
    if is_sent:
        return msgspec.structs.replace(last, kind="delivered", detail="")
    if any(has_taken(one) for one in exchanges):
        words = "Something of it was taken and something was not: sent again, some may get it twice. "
        return msgspec.structs.replace(last, kind="unknown", reason="partly", detail=words + last.detail)
    return last


def last_outcome(exchange: Exchange, now: datetime) -> Outcome:
    result = exchange.result
    if isinstance(result, Answer):
        return msgspec.structs.replace(outcome_of_answer(result, "The service", now), response=b"", truncated=False)
    return unanswered(result)


def has_taken(exchange: Exchange) -> bool:
    result = exchange.result
    return exchange.method != "GET" and isinstance(result, Answer) and 200 <= result.status < 300
