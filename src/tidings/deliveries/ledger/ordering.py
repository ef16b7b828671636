"""Deliveries that go one after another: by which key, for a destination that asks for it."""

from typing import Any

import msgspec

ALL = "endpoint"
MOST_CHARACTERS = 200


def order_key(order_by: str | None, data: str) -> str | None:
    """The key of an event for this destination: None where nothing waits for anything.

    order_by: `endpoint`, or the path of a member of the event's data, as in `data.account`. What has no such member is in no order.
    """
    if order_by is None:
        return None
    if order_by == ALL:
        return ""
    value: Any = msgspec.json.decode(data)
    for name in order_by.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    if value is None:
        return None
    return (value if isinstance(value, str) else msgspec.json.encode(value).decode())[:MOST_CHARACTERS]
