"""Mixpanel's answers. A 400 with `failed_records` took all events but those (https://docs.mixpanel.com/troubleshooting/errors/400-bad-request)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from tidings.deliveries.connectors.analytics.answer import outcome_of
from tidings.deliveries.connectors.answered import UNREADABLE
from tidings.deliveries.ledger.outcome import Outcome
from tidings.outbound.client import Answer

MOST_WORDS = 500


class FailedRecord(msgspec.Struct):
    index: int
    insert_id: str = ""
    field: str = ""
    message: str = ""


class Validated(msgspec.Struct):
    failed_records: list[FailedRecord] = []
    num_records_imported: int = 0


def meanings_of(answer: Answer, ids: Sequence[str], now: datetime) -> dict[str, Outcome]:
    """The outcome of each event, by its id. ids: in the order in which they were sent."""
    outcome = outcome_of(answer, "Mixpanel", now)
    validated = validated_of(answer) if answer.status == 400 else None
    if validated is None:
        return dict.fromkeys(ids, outcome)
    failed = {ids[one.index]: one for one in validated.failed_records if 0 <= one.index < len(ids)}
    # Should its numbers not add up, the others are sent again: those that it has are known by their ids.
    is_all = validated.num_records_imported == len(ids) - len(failed)
    others = msgspec.structs.replace(outcome, **(IMPORTED if is_all else AGAIN))
    return {identity: refused(outcome, failed[identity]) if identity in failed else others for identity in ids}


IMPORTED: dict[str, Any] = {"kind": "delivered", "reason": "imported", "detail": "", "response": b""}
AGAIN: dict[str, Any] = {"kind": "retry", "response": b""}


def refused(outcome: Outcome, record: FailedRecord) -> Outcome:
    """Its own sentence, and not those of the others."""
    detail = f"Mixpanel refused the event: {record.field}: {record.message}"[:MOST_WORDS]
    return msgspec.structs.replace(outcome, kind="refused", reason="invalid_event", detail=detail, response=b"")


def validated_of(answer: Answer) -> Validated | None:
    """None for a 400 that is about the request and not about events."""
    try:
        validated = msgspec.json.decode(answer.body, type=Validated)
    except UNREADABLE:
        return None
    return validated if validated.failed_records else None
