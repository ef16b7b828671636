"""What goes over the wire about test messages."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from tidings.deliveries.ledger.structs import AttemptLatency
from tidings.recipients.structs import SubscriberId


class NewTrial(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What to send. data: of the event, else that of an example.   subscriber: to whom, where it goes to people."""

    type: Annotated[str, Meta(min_length=1, max_length=100, examples=["notification.created"])] = "notification.created"
    data: dict[str, Any] | None = None
    subscriber: SubscriberId | None = None


class TrialResult(msgspec.Struct, frozen=True, kw_only=True):
    """How the attempt ended. outcome: `delivered`, `retry` (it would be tried again), `refused` or `unknown`.

    id: as it was sent, for instance as `webhook-id`.   response: the beginning of the answer's body, as text, or as base64 where
    `response_is_base64`; truncated: there was more.
    """

    id: str
    outcome: str
    reason: str
    detail: str
    status: int | None
    latency: AttemptLatency
    response: str | None
    response_is_base64: bool
    truncated: bool
