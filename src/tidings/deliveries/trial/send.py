"""Sending a test message by the destination's own connector, with its own secrets."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from tidings.access.principals import KeyHolder
from tidings.deliveries.connectors.connector import Destination, Reach
from tidings.deliveries.connectors.redaction import redacted
from tidings.deliveries.connectors.registry import CONNECTORS
from tidings.deliveries.destinations.event_types import TYPES
from tidings.deliveries.ledger.attempts import readable, rounded
from tidings.deliveries.ledger.channels import TO_PEOPLE
from tidings.deliveries.ledger.claim import Claimed
from tidings.deliveries.ledger.outcome import Outcome
from tidings.deliveries.ledger.structs import AttemptLatency
from tidings.deliveries.sending.opened import LOAD_BY_KEY, opened
from tidings.deliveries.trial.structs import NewTrial, TrialResult
from tidings.errors import Invalid, NotFound
from tidings.notifications.draft import MAX_DATA_BYTES
from tidings.platform.ids import uuid7
from tidings.platform.postgres import Connection
from tidings.platform.telemetry.spans import trace_of_request

EXAMPLE = {
    "id": "019ab3f2-7c41-7d3e-9a52-6f0e1c8b2a47",
    "title": "A test by Tidings",
    "body": "If you can read this, it works.",
    "url": None,
    "data": None,
    "category": "test",
    "priority": "normal",
    "collapse_key": None,
    "expires_at": None,
}
PERSON = """
SELECT id, external_id, name, email, phone, locale, timezone FROM subscribers
WHERE project = $1 AND external_id = $2 AND deleted_at IS NULL
"""


async def prepare_trial(
    connection: Connection, holder: KeyHolder, reach: Reach, key: str, wanted: NewTrial, now: datetime
) -> tuple[Destination, Claimed]:
    """What to send, and where. Raises NotFound, Invalid."""
    row = await connection.fetchrow(LOAD_BY_KEY, holder.tenant.id, key)
    if row is None:
        raise NotFound(f"There is no endpoint or integration {key[:80]!r}.")
    if wanted.type not in TYPES:
        raise Invalid(f"There are no events {wanted.type!r}. There are: {', '.join(TYPES)}.", field="type")
    person = await person_of(connection, holder, wanted, CONNECTORS[row["connector"]].channel in TO_PEOPLE)
    data = msgspec.json.encode(wanted.data if wanted.data is not None else EXAMPLE | {"created_at": now})
    if len(data) > MAX_DATA_BYTES:
        raise Invalid(f"data is {len(data)} bytes as JSON; at most {MAX_DATA_BYTES} are sent.", field="data")
    destination = await opened(connection, reach.vault, row)
    return destination, message_of(destination, wanted.type, data.decode(), holder.actor, person, now)


async def person_of(connection: Connection, holder: KeyHolder, wanted: NewTrial, is_needed: bool) -> Mapping[str, Any]:
    """Nobody where it goes to no person."""
    if wanted.subscriber is None:
        if is_needed:
            raise Invalid("This goes to people: say to which subscriber.", field="subscriber")
        return {}
    row = await connection.fetchrow(PERSON, holder.tenant.id, wanted.subscriber)
    if row is None:
        raise Invalid(f"There is no subscriber {wanted.subscriber!r}.", field="subscriber")
    return dict(row)


def message_of(destination: Destination, kind: str, data: str, actor: str, person: Mapping[str, Any], now: datetime) -> Claimed:
    known: dict[str, Any] = {name: person.get(name) for name in ("external_id", "name", "email", "phone", "locale", "timezone")}
    return Claimed(
        id=str(uuid7()),
        number=1,
        round=0,
        project=destination.project,
        destination=destination.id,
        destination_as_of=now,
        order_key=None,
        type=kind,
        accepted_at=now,
        notification=None,
        subscriber=person.get("id"),
        data=data,
        internal=None,
        actor=actor,
        recipients=1,
        trace=trace_of_request(),
        **known,
    )


async def send_trial(reach: Reach, destination: Destination, message: Claimed) -> TrialResult:
    [outcome] = await CONNECTORS[destination.connector].send(reach, destination, [message])
    return result_of(message, redacted(outcome, destination.secrets))


def result_of(message: Claimed, outcome: Outcome) -> TrialResult:
    response, is_base64 = readable(outcome.response or None, outcome.truncated)
    steps = ("dns_ms", "connect_ms", "tls_ms", "first_byte_ms", "total_ms")
    return TrialResult(
        id=message.id,
        outcome=outcome.kind,
        reason=outcome.reason,
        detail=outcome.detail,
        status=outcome.status,
        latency=AttemptLatency(*(rounded(getattr(outcome.latency, step, None)) for step in steps)),
        response=response,
        response_is_base64=is_base64,
        truncated=outcome.truncated,
    )
