"""What goes over the wire about deliveries, their attempts and replays."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

State = Literal["pending", "delivered", "dead", "held", "cancelled"]
Finished = Literal["dead", "held", "delivered", "cancelled"]
DeliveryId = Annotated[str, Meta(examples=["019ab3f2-7c41-7d3e-9a52-6f0e1c8b2a47"])]
ReplayId = Annotated[str, Meta(examples=["rpl_9x4bq1v8z3dw7k2m"])]
EndpointKey = Annotated[str, Meta(min_length=1, max_length=100, examples=["ep_7k2m9x4bq1v8z3dw"])]
IntegrationKey = Annotated[str, Meta(min_length=1, max_length=100, examples=["int_7k2m9x4bq1v8z3dw"])]
# Of delivered ones each is read: a million took 10 to 24 s of the request that begins a replay.
MOST_COUNTED = 100_000


class DeliveryInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One event for one endpoint or integration: the other of the two is null. id: the same in every attempt, for instance as `webhook-id`.

    reason: of the last attempt, or why it is held.   attempts: those that ended.
    next_attempt_at: null when none is planned, or while it waits for the one before it in its order.
    """

    id: DeliveryId
    endpoint: str | None
    integration: str | None
    type: Annotated[str, Meta(examples=["notification.created"])]
    notification: str | None
    subscriber: str | None
    state: State
    attempts: int
    next_attempt_at: datetime | None
    reason: str | None
    accepted_at: datetime
    finished_at: datetime | None


class DeliveryPage(msgspec.Struct, frozen=True):
    """A page may have fewer items than were asked for, even none, and still a `next`: it looked at so many that it stopped there."""

    items: list[DeliveryInfo]
    next: str | None


class AttemptLatency(msgspec.Struct, frozen=True):
    """Milliseconds. null: that step did not happen, as on a connection that was open already."""

    dns: float | None
    connect: float | None
    tls: float | None
    first_byte: float | None
    total: float | None


class AttemptInfo(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt. outcome: `delivered`, `retry`, `refused` or `lost`; null while it is under way.   next_attempt_at: what was decided.

    response: the beginning of the answer's body, as text, or as base64 where `response_is_base64`; truncated: there was more.
    """

    number: int
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None
    reason: str | None
    detail: str | None
    status: int | None
    latency: AttemptLatency
    response: str | None
    response_is_base64: bool
    truncated: bool
    next_attempt_at: datetime | None


class AttemptPage(msgspec.Struct, frozen=True):
    items: list[AttemptInfo]
    next: str | None


class NewReplay(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Deliveries to send again: those of an endpoint or of an integration, one of which is named, that were accepted from `since` until
    `until`, in one of these states.
    """

    endpoint: EndpointKey | None = None
    integration: IntegrationKey | None = None
    since: Annotated[datetime, Meta(tz=True)]
    until: Annotated[datetime, Meta(tz=True)] | None = None
    state: Finished | Annotated[list[Finished], Meta(min_length=1, max_length=4)] = "dead"
    types: (
        Annotated[
            list[Annotated[str, Meta(min_length=1, max_length=100)]],
            Meta(min_length=1, max_length=100, description="Only events of these types.", examples=[["notification.created"]]),
        ]
        | None
    ) = None
    rate: Annotated[float, Meta(ge=0.1, le=10_000, description="Deliveries a second that are queued.")] = 200.0


class ReplayBegun(msgspec.Struct, frozen=True):
    id: ReplayId


class ReplayInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A replay of an endpoint's or of an integration's deliveries: the other of the two is null.

    total: those that it found when it began, counted up to 100,000.   queued: those that it put on their way again.
    """

    id: ReplayId
    endpoint: str | None
    integration: str | None
    state: Literal["running", "done", "cancelled"]
    total: int
    queued: int
    created_at: datetime
    finished_at: datetime | None


class ReplayPage(msgspec.Struct, frozen=True):
    items: list[ReplayInfo]
    next: str | None
