"""What analytics are told: that a notification was sent, delivered, seen, read, clicked. Title and text stay here: they may name people."""

from datetime import datetime
from typing import Any

import msgspec

from tidings.deliveries.connectors.webhook.message import recipients_of
from tidings.deliveries.ledger.claim import Claimed
from tidings.deliveries.ledger.outcome import Outcome

NAMES = {
    "notification.created": "Notification Sent",
    "delivery.delivered": "Notification Delivered",
    "inbox.seen": "Notification Seen",
    "inbox.read": "Notification Read",
    "inbox.clicked": "Notification Clicked",
}
PERSON = "subscriber:"

EXPIRED = Outcome(kind="refused", reason="expired", detail="The event is older than what the log retains.")
NOT_TOLD = Outcome(kind="refused", reason="not_told", detail=f"Analytics are told of {', '.join(NAMES)} and of nothing else.")
OF_ANALYTICS = Outcome(kind="refused", reason="not_told", detail="It tells of a delivery that brought no notification to anybody.")


class Fact(msgspec.Struct, frozen=True):
    """id: of the delivery, the same in every attempt: what comes twice is known by it.   at: when it was committed.

    person: the id the product gave them; None for what is of nobody in particular.
    """

    id: str
    name: str
    at: datetime
    person: str | None
    properties: dict[str, Any]


def fact_of(delivery: Claimed, endpoint: str, prefix: str) -> Fact | Outcome:
    """What is told, or why nothing is. endpoint: the key of this destination: what was delivered to itself it is not told.

    prefix: before each name.
    """
    if delivery.data is None:
        return EXPIRED
    name = NAMES.get(delivery.type)
    if name is None:
        return NOT_TOLD
    data = msgspec.json.decode(delivery.data)
    if delivery.type == "delivery.delivered" and (data.get("type") != "notification.created" or data.get("endpoint") == endpoint):
        return OF_ANALYTICS
    properties = {key: value for key, value in properties_of(delivery, data).items() if value is not None}
    return Fact(delivery.id, prefix + name, delivery.accepted_at, person_of(delivery, data), properties)


def person_of(delivery: Claimed, data: dict[str, Any]) -> str | None:
    if isinstance(named := data.get("subscriber"), str):
        return named
    actor = delivery.actor or ""
    return actor.removeprefix(PERSON) if actor.startswith(PERSON) else None


def properties_of(delivery: Claimed, data: dict[str, Any]) -> dict[str, Any]:
    if delivery.type == "notification.created":
        return {
            "notification_id": data.get("id"),
            "recipients": recipients_of(delivery),
            "category": data.get("category"),
            "priority": data.get("priority"),
        }
    if delivery.type == "delivery.delivered":
        return {"notification_id": data.get("notification"), "endpoint": data.get("endpoint"), "attempts": data.get("attempts")}
    # A mark may be of a thousand items: their ids alone would be beyond what an event may have.
    ids = data.get("ids") or []
    return {"notification_id": ids[0] if len(ids) == 1 else data.get("id"), "count": data.get("changed", 1)}
