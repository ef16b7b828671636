"""Segment answers 200 to whatever it can read, also when the key is of no source; 400 to what is too large or no JSON."""

from datetime import datetime

from tidings.deliveries.connectors.analytics.answer import outcome_of
from tidings.deliveries.ledger.outcome import Outcome
from tidings.outbound.client import Answer

DELIVERED = "Segment answers 200 before it looks at the events; what it makes of them is in its debugger."


def meaning_of(answer: Answer, now: datetime) -> Outcome:
    return outcome_of(answer, "Segment", now, DELIVERED)
