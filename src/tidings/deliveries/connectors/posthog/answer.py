"""PostHog's answers: 200 says in `quota_limited` when it drops events, since what was paid for is used up."""

from datetime import datetime

import msgspec

from tidings.deliveries.connectors.analytics.answer import outcome_of
from tidings.deliveries.connectors.answered import UNREADABLE
from tidings.deliveries.ledger.outcome import Outcome
from tidings.outbound.client import Answer


class Accepted(msgspec.Struct):
    quota_limited: list[str] | None = None


def meaning_of(answer: Answer, now: datetime) -> Outcome:
    outcome = outcome_of(answer, "PostHog", now)
    if outcome.kind == "delivered" and "events" in quota_limited(answer.body):
        detail = "PostHog dropped the events: the project's quota is used up."
        return msgspec.structs.replace(outcome, kind="retry", reason="quota_limited", detail=detail, slow_down=True)
    return outcome


def quota_limited(body: bytes) -> list[str]:
    """Older versions answer a number, so what is no such answer limits nothing."""
    try:
        return msgspec.json.decode(body, type=Accepted).quota_limited or []
    except UNREADABLE:
        return []
