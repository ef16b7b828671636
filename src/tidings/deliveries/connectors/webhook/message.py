"""The body of a webhook: `{"type", "timestamp", "data"}`, the same in every attempt."""

from datetime import datetime
from typing import Any

import msgspec

from tidings.deliveries.ledger.claim import Claimed


class Message(msgspec.Struct):
    type: str
    timestamp: datetime
    data: dict[str, Any]


class Internal(msgspec.Struct):
    """What the data of a notification does not say, since it is what people see."""

    recipients: int | None = None


def body_of(delivery: Claimed) -> bytes:
    """timestamp: when what it tells of was committed."""
    assert delivery.data is not None
    data = msgspec.json.decode(delivery.data)
    if delivery.type == "notification.created":
        data["recipients"] = recipients_of(delivery)
    return msgspec.json.encode(Message(delivery.type, delivery.accepted_at, data))


def recipients_of(delivery: Claimed) -> int | None:
    """How many people; of a large audience, at most."""
    if delivery.recipients is not None:
        return delivery.recipients
    return msgspec.json.decode(delivery.internal, type=Internal).recipients if delivery.internal else None
