"""What goes over the wire about sources."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from tidings.notifications.structs import Channel, NewNotification, Priority
from tidings.recipients.structs import PLAIN
from tidings.sources.paths import PATH

DAY_S = 86_400
MOST_MAPPINGS = 100

Kind = Literal["stripe", "github", "standard_webhooks"]
Preset = Literal["stripe_billing", "github_activity"]
Outcome = Literal["published", "unmapped", "failed"]
SourceId = Annotated[str, Meta(examples=["src_7k2m9x4bq1v8z3dw"])]
Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=PLAIN, examples=["Stripe, live mode"])]
Secret = Annotated[
    str,
    Meta(
        min_length=16,
        max_length=255,
        pattern=PLAIN,
        description="With which the service signs: `whsec_…` of Stripe and of Standard Webhooks, or the secret that GitHub was given.",
        examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    ),
]
MemberPath = Annotated[str, Meta(max_length=1000, pattern=rf"^{PATH}$(?!\n)", examples=["type"])]
Whole = Annotated[int, Meta(ge=-(2**53), le=2**53)]
Text = Annotated[str, Meta(max_length=1000, examples=["invoice.paid"])]
Condition = Text | Whole | bool | None | Annotated[list[Text | Whole | bool | None], Meta(max_length=100)]


class Recipient(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Exactly one of the three; the texts may have placeholders."""

    subscriber: Annotated[str, Meta(min_length=1, max_length=500, examples=["{{data.object.metadata.user_id}}"])] | None = None
    topic: Annotated[str, Meta(min_length=1, max_length=500)] | None = None
    everyone: bool = False


class Mapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """How events become a notification. Of a source's mappings the first that fits is used.

    when: member paths, and what each must hold: a value, one of a list, a text that begins as one ending in `*`. `{}` fits every event.
    Texts may have placeholders: `{{member.path}}`, with `|money:path`, `|default:"…"` or `|truncate:80` after the path.
    """

    when: Annotated[dict[MemberPath, Condition], Meta(max_length=20, examples=[{"type": "invoice.paid"}])]
    to: Annotated[list[Recipient], Meta(min_length=1, max_length=100)]
    title: Annotated[str, Meta(min_length=1, max_length=1000, examples=["Invoice {{data.object.number}} paid"])]
    body: Annotated[str, Meta(max_length=8000)] | None = None
    url: Annotated[str, Meta(max_length=4000, examples=["{{data.object.hosted_invoice_url}}"])] | None = None
    category: Annotated[str, Meta(max_length=500, examples=["billing"])] | None = None
    priority: Priority = "normal"
    data: dict[str, Any] | None = None
    channels: Annotated[list[Channel], Meta(min_length=1, max_length=6, description="`in_app` unless said otherwise.")] | None = None
    collapse_key: Annotated[str, Meta(min_length=1, max_length=500, examples=["invoice:{{data.object.id}}"])] | None = None


Mappings = Annotated[list[Mapping], Meta(max_length=MOST_MAPPINGS)]


class NewSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A source to create. secret: may follow, since most services show theirs only once they know the URL.

    preset: a ready-made set instead of mappings, which is shown and changed as any other afterwards.
    """

    kind: Kind
    name: Name
    secret: Secret | None = None
    mappings: Mappings = []
    preset: Annotated[Preset | None, Meta(examples=["stripe_billing"])] = None


class SourcePatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is left out stays. mappings: all of them, in place of those before."""

    name: Name | UnsetType = UNSET
    mappings: Mappings | UnsetType = UNSET


class SourceInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A source. url: where the service sends its events.   has_secret: without one, nothing is let in.

    older_until: until when the secret before the last rotation counts too; null when only the newest does.
    """

    id: SourceId
    url: Annotated[str, Meta(examples=["https://tidings.example.com/v1/inbound/src_7k2m9x4bq1v8z3dw"])]
    kind: Kind
    name: Name
    mappings: list[Mapping]
    has_secret: bool
    older_until: datetime | None
    created_by: str
    created_at: datetime
    updated_at: datetime


class SourcePage(msgspec.Struct, frozen=True):
    items: list[SourceInfo]
    next: str | None


class SourceSecretRotation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """overlap: seconds for which the secret before this one counts too."""

    secret: Secret
    overlap: Annotated[int, Meta(ge=0, le=30 * DAY_S, description="Seconds for which the secret before counts too.")] = DAY_S


class SourceSecretRotated(msgspec.Struct, frozen=True):
    """older_until: until when the secret before counts too; null when it does not, or there was none."""

    id: SourceId
    older_until: datetime | None


class Received(msgspec.Struct, frozen=True):
    """What became of the event, the same in each repetition."""

    outcome: Outcome


class SourceEvent(msgspec.Struct, frozen=True):
    """An event that came. id, type: the sender's.   mapping: the place of the one that was used, from 0.   reason: why it failed."""

    id: str
    type: str | None
    received_at: datetime
    outcome: Outcome
    mapping: int | None
    reason: str | None
    notification: str | None


class SourceEventPage(msgspec.Struct, frozen=True):
    items: list[SourceEvent]
    next: str | None


class Trial(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An event to try the mappings on. headers: those that say its type, as GitHub's `X-GitHub-Event`."""

    body: Annotated[dict[str, Any], Meta(examples=[{"id": "evt_1", "type": "invoice.paid"}])]
    headers: Annotated[dict[str, str], Meta(max_length=100, examples=[{"X-GitHub-Event": "issues"}])] = {}


class Tried(msgspec.Struct, frozen=True):
    """What the event would become. notification: what would be published."""

    outcome: Outcome
    mapping: int | None
    reason: str | None
    notification: NewNotification | None
