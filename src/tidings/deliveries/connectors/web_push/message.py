"""What is pushed, and how urgent it is; `push-worker.ts` shows it."""

import hashlib
from datetime import datetime
from typing import Literal

import msgspec

from tidings.access.public_keys import base64url
from tidings.deliveries.connectors.lengths import cut_until
from tidings.deliveries.connectors.notified import Notified
from tidings.deliveries.connectors.web_push.encryption import MOST_PLAIN_BYTES

# Four weeks, the most that the service of Chrome keeps anything.
LONGEST_TTL_S = 2_419_200
# RFC 8030 §5.3.
URGENCY = {"low": "low", "normal": "normal", "high": "high", "critical": "high"}
# Of 32 characters of base64url, which is all that a topic has room for (RFC 8030 §5.4).
TOPIC_BYTES = 24

Direction = Literal["auto", "ltr", "rtl"]


class Pushed(msgspec.Struct, frozen=True, omit_defaults=True):
    """As `Shown` of the service worker. body and url are always there."""

    id: str
    title: str
    body: str | None
    url: str | None
    icon: str | None = None
    lang: str | None = None
    dir: Direction | None = None


def payload_of(pushed: Pushed) -> bytes:
    """At most as many bytes as every push service takes: the body is cut; then the url is left out, and a click leads home."""
    body = cut_until(pushed.body or "", lambda shorter: fits(msgspec.structs.replace(pushed, body=shorter)))
    shorter = msgspec.structs.replace(pushed, body=body or None)
    return msgspec.json.encode(shorter if fits(shorter) else msgspec.structs.replace(shorter, url=None))


def fits(pushed: Pushed) -> bool:
    return len(msgspec.json.encode(pushed)) <= MOST_PLAIN_BYTES


def headers_of(notification: Notified, now: datetime) -> dict[str, str]:
    """TTL: how many seconds the push service keeps it for a browser that is away."""
    headers = {
        "content-type": "application/octet-stream",
        "content-encoding": "aes128gcm",
        "ttl": str(ttl_s(notification.expires_at, now)),
        "urgency": URGENCY.get(notification.priority, "normal"),
    }
    return headers | ({"topic": topic_of(notification.collapse_key)} if notification.collapse_key else {})


def ttl_s(expires_at: datetime | None, now: datetime) -> int:
    if expires_at is None:
        return LONGEST_TTL_S
    return max(0, min(int((expires_at - now).total_seconds()), LONGEST_TTL_S))


def topic_of(collapse_key: str) -> str:
    """A hash: a key may be longer than a topic, and the push service reads a topic."""
    return base64url(hashlib.sha256(collapse_key.encode()).digest()[:TOPIC_BYTES])
