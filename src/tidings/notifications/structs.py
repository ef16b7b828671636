"""What goes over the wire about notifications and inboxes."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from tidings.recipients.structs import SubscriberId, TopicKey

Channel = Literal["in_app", "webhook", "email", "sms", "push", "chat"]
Priority = Literal["low", "normal", "high", "critical"]
MAX_RECIPIENTS = 1000


class Audience(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The members of a topic, or everyone in the project: exactly one of the two."""

    topic: TopicKey | None = None
    everyone: bool = False


class NewNotification(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A notification to publish."""

    to: Annotated[
        list[SubscriberId | Audience],
        Meta(min_length=1, max_length=MAX_RECIPIENTS, description='Subscriber ids, `{"topic": …}` or `{"everyone": true}`.'),
    ]
    title: Annotated[str, Meta(min_length=1, max_length=200, examples=["Your export is ready"])]
    body: Annotated[str, Meta(max_length=4000, examples=["1,204 rows, 3 MB."])] | None = None
    url: (
        Annotated[
            str, Meta(max_length=2000, description="Where a click leads: http(s), or a path of your product.", examples=["/exports/17"])
        ]
        | None
    ) = None
    data: dict[str, Any] | None = None
    category: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.:-]{1,100}$(?!\n)", examples=["exports"])] | None = None
    priority: Priority = "normal"
    expires_at: Annotated[datetime, Meta(tz=True)] | None = None
    collapse_key: (
        Annotated[str, Meta(min_length=1, max_length=255, description="A later one with the same key takes its place.")] | None
    ) = None
    transient: Annotated[bool, Meta(description="Live only: shown on open streams, kept out of the inbox.")] = False
    channels: Annotated[list[Channel], Meta(min_length=1, max_length=6)] = msgspec.field(default_factory=lambda: ["in_app"])
    strict: Annotated[bool, Meta(description="Refuse unknown subscriber ids instead of creating them.")] = False


class NewBatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Up to 1,000 notifications in one transaction, with at most 10,000 recipients named in all."""

    # Items are decoded one by one, so that a wrong one gets its own error and the others are accepted.
    notifications: Annotated[list[dict[str, Any]], Meta(min_length=1, max_length=1000)]


class PlainBatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A batch of which every item is right."""

    notifications: Annotated[list[NewNotification], Meta(min_length=1, max_length=1000)]


class Accepted(msgspec.Struct, frozen=True):
    """It is committed, with its inbox items. recipients: how many people; for audiences over 1,000, at most."""

    id: str
    recipients: int


class BatchResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """Of one notification of a batch: `id` and `recipients`, or the problem that it met."""

    id: str | None = None
    recipients: int | None = None
    error: dict[str, Any] | None = None


class BatchAccepted(msgspec.Struct, frozen=True):
    results: list[BatchResult]


class Shown(msgspec.Struct, frozen=True):
    """What the people concerned see: the data of the SSE event `notification`, and the head of an inbox item."""

    id: str
    title: str
    body: str | None
    url: str | None
    data: Any
    category: str | None
    priority: str
    collapse_key: str | None
    expires_at: datetime | None
    created_at: datetime


class InboxItem(Shown, frozen=True):
    """A notification in an inbox, with what the subscriber did with it."""

    seen_at: datetime | None
    read_at: datetime | None
    archived_at: datetime | None


class InboxPage(msgspec.Struct, frozen=True):
    """next: give it as `after` for the following page; null on the last.   cursor: stream from here and nothing is missed."""

    items: list[InboxItem]
    next: str | None
    cursor: str


class Counts(msgspec.Struct, frozen=True):
    """Archived items do not count."""

    total: int = 0
    unseen: int = 0
    unread: int = 0


class Clicked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which items: they, or buttons of theirs, were clicked."""

    ids: Annotated[list[str], Meta(min_length=1, max_length=1000)]


class Mark(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which items: `ids`, or all up to and including `up_to` in the order of the inbox. Exactly one of the two."""

    ids: Annotated[list[str], Meta(min_length=1, max_length=1000)] | None = None
    up_to: str | None = None


class Marked(msgspec.Struct, frozen=True):
    """changed: how many items were not so before."""

    changed: int
    counts: Counts


class TimelineStep(msgspec.Struct, frozen=True, omit_defaults=True):
    """One step of a notification's way. at: null while it has not happened.   count: people, streams or items."""

    step: Literal["accepted", "sequenced", "fanned_out", "streamed", "seen", "read", "retracted", "expired"]
    at: datetime | None
    count: int | None = None
    expected: int | None = None


class NotificationDetail(msgspec.Struct, frozen=True):
    id: str
    to: list[Any]
    title: str
    body: str | None
    url: str | None
    data: Any
    category: str | None
    priority: str
    collapse_key: str | None
    channels: list[str]
    transient: bool
    expires_at: datetime | None
    created_at: datetime
    created_by: str
    recipients: int
    retracted_at: datetime | None
    timeline: list[TimelineStep]
