"""What goes over the wire about streams, beside the events themselves."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

CursorText = Annotated[str, Meta(max_length=40, description="EPOCH.POSITION", examples=["k3v9x2ab.1042"])]


class Renewal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sent with a new token. stream: from the `ready` event."""

    stream: Annotated[str, Meta(min_length=1, max_length=100, examples=["str_2f6c0a9d41e7b358_mzxw6ytboi4dqnbr"])]


class Renewed(msgspec.Struct, frozen=True):
    expires_at: datetime


class Acknowledgement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far a device has come. received: everything up to this cursor has arrived.   seen: … has been looked at."""

    device: Annotated[str, Meta(min_length=1, max_length=200, examples=["firefox-7d1c"])]
    received: CursorText | None = None
    seen: CursorText | None = None


class Acknowledged(msgspec.Struct, frozen=True):
    """Where the device stands now: it never goes back."""

    device: str
    received: str | None
    seen: str | None


class LoggedEvent(msgspec.Struct, frozen=True):
    """An event of the log. recipients: how many people it concerns, where that is known."""

    cursor: str
    type: str
    data: Any
    actor: str
    recipients: int | None
    created_at: datetime
    notification: str | None = None


class LogPage(msgspec.Struct, frozen=True):
    """next: give it as `after` for what follows. It moves on over events of other projects too."""

    events: list[LoggedEvent]
    next: str
