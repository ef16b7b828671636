"""Google answers 2xx to whatever reaches it, also with a wrong secret; and it cannot tell what came before."""

from datetime import datetime

import msgspec

from tidings.deliveries.connectors.analytics.answer import outcome_of
from tidings.deliveries.ledger.outcome import Outcome
from tidings.outbound.client import Answer

DELIVERED = "Google Analytics answers every request alike, so whether it counts these events is not known; its DebugView shows them."
UNKNOWN = " Google Analytics may have it, and would count it twice."
TOO_OLD = Outcome(kind="refused", reason="too_old", detail="Google Analytics counts nothing at a time more than 72 hours ago.")
# Whoever says these has not let it in.
NOT_TAKEN = frozenset({429, 503})


def meaning_of(answer: Answer, now: datetime) -> Outcome:
    outcome = outcome_of(answer, "Google Analytics", now, DELIVERED)
    if answer.status >= 500 and answer.status not in NOT_TAKEN:
        return msgspec.structs.replace(outcome, kind="unknown", detail=outcome.detail + UNKNOWN)
    return outcome
