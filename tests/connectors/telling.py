"""Deliveries of the log's events, as the connectors of product analytics get them, and what judges of their requests have in common."""

import base64
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from connectors.far_end import FarEnd
from tidings.deliveries.connectors.connector import Connector, Destination, Reach
from tidings.deliveries.ledger.claim import Claimed
from tidings.deliveries.ledger.outcome import Outcome
from tidings.platform.ids import uuid7

NOTIFICATION = "01936f2e-7c1a-7d3e-8b4f-0123456789ab"
TITLE = "Anna, your biopsy is back"


def event(type_of_event: str, data: dict[str, Any] | None, **fields: Any) -> Claimed:
    now = datetime.now(UTC)
    known: dict[str, Any] = {
        "id": str(uuid7()), "number": 1, "round": 0, "project": 1, "destination": 1, "destination_as_of": now, "order_key": None,
        "accepted_at": now, "notification": None, "subscriber": None, "internal": None, "actor": "key:key_1", "recipients": None,
    }  # fmt: skip
    encoded = None if data is None else json.dumps(data, ensure_ascii=False)
    return Claimed(**known | {"type": type_of_event, "data": encoded} | fields)


def sent(recipients: int = 3, **fields: Any) -> Claimed:
    data = {"id": NOTIFICATION, "title": TITLE, "body": TITLE, "url": "/results/17", "category": "results", "priority": "high"}
    return event("notification.created", data | fields, notification=NOTIFICATION, recipients=recipients)


def marked(action: str, person: str, ids: Sequence[str] = (NOTIFICATION,), **fields: Any) -> Claimed:
    data = {"subscriber": person, "at": "2026-11-25T12:00:00Z", "changed": len(ids), "counts": {}, "ids": list(ids)}
    return event(f"inbox.{action}", data, actor=f"subscriber:{person}", **fields)


def delivered(endpoint: str = "ep_1", of: str = "notification.created") -> Claimed:
    data = {
        "id": str(uuid7()),
        "endpoint": endpoint,
        "type": of,
        "notification": NOTIFICATION,
        "attempts": 2,
        "status": 200,
        "reason": "http_200",
    }
    return event("delivery.delivered", data, actor="system:deliveries", notification=NOTIFICATION)


async def send(connector: Connector, reach: Reach, destination: Destination, *deliveries: Claimed) -> Sequence[Outcome]:
    return await connector.send(reach, destination, deliveries)


def basic(header: str) -> tuple[str, str]:
    """User and password; RFC 7617 wants a colon between."""
    scheme, _, encoded = header.partition(" ")
    assert scheme == "Basic"
    user, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    assert colon
    return user, password


def bodies(service: FarEnd) -> Iterable[bytes]:
    return [got.body for got in service.got]
