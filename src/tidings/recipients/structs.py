"""What goes over the wire about people and topics."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar.params import Parameter
from msgspec import UNSET, Meta, UnsetType

MAX_AT_ONCE = 1000
MAX_ATTRIBUTES_BYTES = 16 * 1024

# No control characters; the look-ahead refuses the line break that `$` would allow at the end.
PLAIN = r"^[^\x00-\x1f\x7f]*$(?!\n)"
# What stands in a path besides: a slash would be another resource, dots are eaten by clients, and `bulk` is a route.
ADDRESSABLE = r"^(?!(?:\.{1,2}|bulk)$)[^\x00-\x1f\x7f/]*$(?!\n)"
SubscriberId = Annotated[
    str, Meta(min_length=1, max_length=255, pattern=ADDRESSABLE, description="The id your product gives a person.", examples=["alice"])
]
TopicKey = Annotated[
    str, Meta(min_length=1, max_length=255, pattern=ADDRESSABLE, description="The key of a topic.", examples=["release-notes"])
]
SubscriberIdInPath = Annotated[
    str, Parameter(min_length=1, max_length=255, pattern=ADDRESSABLE, description="The id your product gives a person.")
]
TopicKeyInPath = Annotated[str, Parameter(min_length=1, max_length=255, pattern=ADDRESSABLE, description="The key of a topic.")]

Email = Annotated[str, Meta(max_length=320, pattern=r"^[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+$(?!\n)", examples=["alice@example.com"])]
Phone = Annotated[str, Meta(max_length=32, pattern=r"^\+?[0-9 ().\-]{3,31}$(?!\n)", examples=["+4930123456"])]
PersonName = Annotated[str, Meta(min_length=1, max_length=255, pattern=PLAIN, examples=["Alice Adams"])]
Locale = Annotated[str, Meta(max_length=35, pattern=r"^[A-Za-z0-9]{1,8}([-_][A-Za-z0-9]{1,8})*$(?!\n)", examples=["en-GB"])]
Timezone = Annotated[str, Meta(max_length=64, pattern=r"^[A-Za-z0-9_+\-]+(/[A-Za-z0-9_+\-]+)*$(?!\n)", examples=["Europe/Berlin"])]
Attributes = Annotated[dict[str, Any], Meta(description="Whatever your product knows of them, ≤ 16 KiB.", examples=[{"plan": "pro"}])]


class SubscriberFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A subscriber as a whole: what is left out is empty afterwards."""

    email: Email | None = None
    phone: Phone | None = None
    name: PersonName | None = None
    locale: Locale | None = None
    timezone: Timezone | None = None
    attributes: Attributes = {}


class NamedSubscriber(SubscriberFields, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A subscriber of a bulk upsert."""

    id: SubscriberId


class SubscriberPatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is left out stays; null empties. Attributes are merged (RFC 7396): a member that is null is taken away."""

    email: Email | UnsetType | None = UNSET
    phone: Phone | UnsetType | None = UNSET
    name: PersonName | UnsetType | None = UNSET
    locale: Locale | UnsetType | None = UNSET
    timezone: Timezone | UnsetType | None = UNSET
    attributes: Attributes | UnsetType | None = UNSET


class SubscriberInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A subscriber."""

    id: SubscriberId
    email: str | None
    phone: str | None
    name: str | None
    locale: str | None
    timezone: str | None
    attributes: dict[str, Any]
    created_at: datetime
    updated_at: datetime


class SubscriberPage(msgspec.Struct, frozen=True):
    items: list[SubscriberInfo]
    next: str | None


class BulkSubscribers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Up to 1,000 subscribers, each as a whole, in one transaction."""

    subscribers: Annotated[list[NamedSubscriber], Meta(min_length=1, max_length=MAX_AT_ONCE)]


class BulkDone(msgspec.Struct, frozen=True):
    created: int
    updated: int


class TopicFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A topic as a whole."""

    name: Annotated[str, Meta(min_length=1, max_length=255, pattern=PLAIN, examples=["Release notes"])] | None = None


class TopicInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A topic. members: how many people it has."""

    key: TopicKey
    name: str | None
    members: int
    created_at: datetime


class TopicPage(msgspec.Struct, frozen=True):
    items: list[TopicInfo]
    next: str | None


class MembersChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who joins and who leaves. Unknown people who join are created; nobody may do both."""

    add: Annotated[list[SubscriberId], Meta(max_length=MAX_AT_ONCE)] = []
    remove: Annotated[list[SubscriberId], Meta(max_length=MAX_AT_ONCE)] = []


class MembersChanged(msgspec.Struct, frozen=True):
    """How many really joined and left; those who were in, or out, already do not count."""

    added: int
    removed: int


class Member(msgspec.Struct, frozen=True):
    id: SubscriberId
    name: str | None
    email: str | None


class MemberPage(msgspec.Struct, frozen=True):
    items: list[Member]
    next: str | None
