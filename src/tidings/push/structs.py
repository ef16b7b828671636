"""What goes over the wire about web push."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

MAX_ENDPOINT = 2048
# The last millisecond of the year 9999, after which PostgreSQL and Python part ways.
LAST_MS = 253_402_300_799_999

PushId = Annotated[str, Meta(examples=["psh_9fK2xQ7mB1v8z3dW4cTqYr"])]
# Printable ASCII without a backslash, which browsers read as a slash: so an address has one meaning.
Endpoint = Annotated[
    str,
    Meta(
        max_length=MAX_ENDPOINT,
        pattern=r"^https://[!-\[\]-~]+$(?!\n)",
        description="Of the push service, as the browser names it.",
        examples=["https://push.example.net/send/dK3mB1v8z3dW4cTqYr"],
    ),
]
# 65 and 16 bytes as base64url, with padding or without.
Point = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9_-]{87}=?$(?!\n)",
        description="An uncompressed point on P-256.",
        examples=["BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"],
    ),
]
Auth = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{22}(?:==)?$(?!\n)", description="16 bytes.", examples=["BTBZMqHH6r4Tts7J_aSIgg"])]


class BrowserKeys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """With which a message is encrypted for this browser (RFC 8291)."""

    p256dh: Point
    auth: Auth


class NewSubscription(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename="camel"):
    """As PushSubscription.toJSON() gives it. expirationTime: milliseconds since 1970, null for never."""

    endpoint: Endpoint
    expiration_time: Annotated[float, Meta(ge=0, le=LAST_MS)] | None = None
    keys: BrowserKeys


class Subscribed(msgspec.Struct, frozen=True):
    """updated_at: when the browser last showed it."""

    id: PushId
    created_at: datetime
    updated_at: datetime


class PushSubscriptionInfo(msgspec.Struct, frozen=True):
    """A browser that takes web pushes. service: the host of the push service; the endpoint itself is a capability, and stays here."""

    id: PushId
    service: Annotated[str, Meta(examples=["push.example.net"])]
    user_agent: str | None
    created_at: datetime
    updated_at: datetime


class PushSubscriptions(msgspec.Struct, frozen=True):
    items: list[PushSubscriptionInfo]


class PushKey(msgspec.Struct, frozen=True):
    """For `applicationServerKey` of PushManager.subscribe()."""

    key: Point
