"""Which endpoints want an event, and in which order theirs go."""

import pytest

from tidings.deliveries.ledger.ordering import order_key
from tidings.deliveries.ledger.wanted import wants


@pytest.mark.parametrize(
    ("patterns", "kind", "expected"),
    [
        (["notification.*"], "notification.created", True),
        (["notification.*"], "notifications.created", False),
        (["notification.*"], "inbox.read", False),
        (["notification.created"], "notification.created", True),
        (["notification.created"], "notification.retracted", False),
        (["inbox.read", "topic.*"], "topic.members", True),
        (["*"], "inbox.seen", True),
        (["*"], "key.revoked", False),
        (["*"], "stream.renewed", False),
        (["stream.*"], "stream.renewed", False),
        (["*"], "delivery.dead", False),
        (["delivery.*"], "delivery.dead", True),
        (["endpoint.disabled"], "endpoint.disabled", True),
        ([], "notification.created", False),
    ],
)
def test_patterns(patterns: list[str], kind: str, expected: bool) -> None:
    assert wants(patterns, kind) is expected


@pytest.mark.parametrize(
    ("order_by", "key"),
    [
        (None, None),
        ("endpoint", ""),
        ("id", "n1"),
        ("data.account", "a7"),
        ("data.count", "3"),
        ("data.missing", None),
        ("id.deeper", None),
    ],
)
def test_order_keys(order_by: str | None, key: str | None) -> None:
    assert order_key(order_by, '{"id": "n1", "data": {"account": "a7", "count": 3}}') == key
