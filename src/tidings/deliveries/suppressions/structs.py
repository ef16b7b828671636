"""What goes over the wire about suppressions."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

# Those that go to a person's own address.
SuppressedChannel = Literal["email", "sms", "push"]
Reason = Literal["unsubscribed", "bounced", "complained"]


class Suppression(msgspec.Struct, frozen=True):
    """Why nothing goes to a subscriber through a channel: they unsubscribed, or their present address bounced or complained."""

    channel: SuppressedChannel
    reason: Reason
    created_at: Annotated[datetime, Meta(description="Since when.")]


class Suppressions(msgspec.Struct, frozen=True):
    items: list[Suppression]
