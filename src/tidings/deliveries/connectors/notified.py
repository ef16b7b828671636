"""The notification that a delivery is of, as connectors for people read it."""

from datetime import datetime

import msgspec

from tidings.deliveries.ledger.claim import Claimed
from tidings.deliveries.ledger.outcome import Outcome


class Notified(msgspec.Struct, frozen=True, kw_only=True):
    """title: never blank, which most services refuse."""

    id: str
    title: str
    body: str | None = None
    url: str | None = None
    category: str | None = None
    priority: str = "normal"
    collapse_key: str | None = None
    expires_at: datetime | None = None
    created_at: datetime


def read_notification(delivery: Claimed, now: datetime) -> Notified | Outcome:
    """The outcome, for what nobody wants any more."""
    if delivery.data is None:
        return Outcome(kind="refused", reason="expired", detail="The event is older than what the log retains.")
    notification = msgspec.json.decode(delivery.data, type=Notified)
    if notification.expires_at is not None and notification.expires_at <= now:
        return Outcome(kind="refused", reason="expired", detail="The notification expired before it could be sent.")
    body = notification.body if notification.body and notification.body.strip() else None
    return msgspec.structs.replace(notification, title=notification.title.strip() or "…", body=body)
