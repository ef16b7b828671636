"""What goes over the wire about integrations and the connectors they are made of."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from tidings.deliveries.destinations.structs import DestinationInfo, DestinationPatch, Events, LastFailure, NewDestination, Waiting
from tidings.deliveries.ledger.channels import Channel

IntegrationId = Annotated[str, Meta(examples=["int_7k2m9x4bq1v8z3dw"])]
ConnectorName = Annotated[str, Meta(min_length=1, max_length=100, examples=["smtp"])]
Config = Annotated[dict[str, Any], Meta(description="By the connector's schema, see /v1/connectors. May be shown.")]
Credentials = Annotated[dict[str, Any], Meta(description="By the connector's schema, see /v1/connectors. Sealed, and never shown again.")]


class NewIntegration(NewDestination, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An integration to create. events: for connectors of the channel `analytics` alone; all others get notifications."""

    connector: ConnectorName
    config: Config = msgspec.field(default_factory=dict)
    credentials: Credentials = msgspec.field(default_factory=dict)
    events: Events | None = None


class IntegrationPatch(DestinationPatch, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is left out stays; null empties. config and credentials are merged (RFC 7396), and then checked as a whole."""

    config: dict[str, Any] | UnsetType = UNSET
    credentials: dict[str, Any] | UnsetType = UNSET
    events: Events | UnsetType = UNSET


class IntegrationInfo(DestinationInfo, frozen=True, kw_only=True):
    """An integration, without its credentials. disabled_as: `by_hand`, `failing` (for days) or `gone` (the far end wants nothing any more).

    breaker: `open` while it does not answer and is spared, `half_open` while one attempt finds out.   failing_since: since when all failed.
    events: what it gets; null where its channel takes no filter.   in_use: whether something is planned for it: of those of `email`, of
    `sms` and of `push` the oldest alone is, so that nobody gets a notification twice.
    """

    id: IntegrationId
    connector: str
    channel: Channel
    config: dict[str, Any]
    events: list[str] | None
    in_use: bool


class IntegrationDetail(IntegrationInfo, frozen=True, kw_only=True):
    """An integration and how it does. last_failure: among its newest 200 deliveries."""

    waiting: Waiting
    last_failure: LastFailure | None


class IntegrationPage(msgspec.Struct, frozen=True):
    items: list[IntegrationInfo]
    next: str | None


class Halt(msgspec.Struct, frozen=True):
    """Since when a connector sends nothing, by the operator's decision; what is for it waits."""

    halted_at: datetime
    reason: str | None


class ConnectorInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A way out. config, credentials: JSON schemas of what an integration of it takes.   schedule: seconds from each failed attempt to the
    next, unless an integration has its own.

    repeats: whether what may have arrived is sent again, since its receiver knows it by its id; otherwise it is held for a person.
    """

    name: ConnectorName
    channel: Channel
    config: dict[str, Any]
    credentials: dict[str, Any]
    repeats: bool
    schedule: list[int]
    halt: Halt | None


class ConnectorList(msgspec.Struct, frozen=True):
    items: list[ConnectorInfo]
