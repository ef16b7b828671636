"""What goes over the wire about destinations of both kinds, and about endpoints."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from tidings.deliveries.connectors.webhook.members import Signature
from tidings.deliveries.destinations.own_headers import MOST as MOST_HEADERS

DAY_S = 86_400
MOST_COUNTED = 10_000
SHOWN_BEFORE = "The secret was in the first answer to this Idempotency-Key; GET /v1/endpoints/ID/secret shows it."

EndpointId = Annotated[str, Meta(examples=["ep_7k2m9x4bq1v8z3dw"])]
DestinationId = Annotated[str, Meta(description="ep_… or int_….", examples=["ep_7k2m9x4bq1v8z3dw"])]
Url = Annotated[str, Meta(min_length=1, max_length=2048, examples=["https://hooks.example.com/tidings"])]
Events = Annotated[
    list[Annotated[str, Meta(min_length=1, max_length=100)]],
    Meta(
        min_length=1,
        max_length=100,
        description="Types of events, as in `inbox.read`; families, as in `notification.*`; `*` for all but those of deliveries, "
        "endpoints and integrations.",
        examples=[["notification.*", "inbox.read"]],
    ),
]
Description = Annotated[str, Meta(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$(?!\n)", examples=["Orders, production"])]
Rate = Annotated[float, Meta(ge=0.1, le=10_000, description="Attempts a second at most.", examples=[50.0])]
AtOnce = Annotated[int, Meta(ge=1, le=200, description="Attempts at the same time at most.")]
Schedule = Annotated[
    list[Annotated[int, Meta(ge=1, le=3 * DAY_S)]],
    Meta(max_length=20, description="Seconds from each failed attempt to the next; null for the usual.", examples=[[5, 300, 1800]]),
]
OrderBy = Annotated[
    str,
    Meta(
        max_length=200,
        pattern=r"^[A-Za-z0-9_\-]+(\.[A-Za-z0-9_\-]+){0,7}$(?!\n)",
        description="`endpoint`: one after another. Or a member of the data, as in `id` or `data.account`: those of one value in order.",
        examples=["data.account"],
    ),
]
Secret = Annotated[
    str,
    Meta(
        max_length=100,
        pattern=r"^whsec_[A-Za-z0-9+/]{32,86}={0,2}$(?!\n)",
        description="A secret of your own: whsec_ and the base64 of 24 to 64 bytes.",
        examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    ),
]
HeaderName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~\-]{1,100}$(?!\n)")]
HeaderValue = Annotated[str, Meta(max_length=4096, pattern=r"^[!-~]([ -~]*[!-~])?$(?!\n)")]


class NewDestination(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is asked of one of either kind."""

    description: Description | None = None
    rate: Rate | None = None
    at_once: AtOnce = 20
    schedule: Schedule | None = None


class DestinationPatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is left out stays; null empties."""

    description: Description | UnsetType | None = UNSET
    rate: Rate | UnsetType | None = UNSET
    at_once: AtOnce | UnsetType = UNSET
    schedule: Schedule | UnsetType | None = UNSET


class NewEndpoint(NewDestination, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An endpoint to create. headers: sent with every delivery; their values are sealed, and never shown again."""

    url: Url
    events: Events
    order_by: OrderBy | None = None
    signature: Signature = "v1"
    headers: Annotated[dict[HeaderName, HeaderValue], Meta(max_length=MOST_HEADERS, examples=[{"Authorization": "Bearer …"}])] = {}
    secret: Secret | None = None


class EndpointPatch(DestinationPatch, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is left out stays; null empties. Headers are merged (RFC 7396): one that is null is taken away, null takes all of them."""

    url: Url | UnsetType = UNSET
    events: Events | UnsetType = UNSET
    order_by: OrderBy | UnsetType | None = UNSET
    headers: dict[HeaderName, HeaderValue | None] | UnsetType | None = UNSET


class DestinationInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What is shown of one of either kind. disabled_as: `by_hand`, `failing` (for days) or `gone` (it answered 410).

    breaker: `open` while it does not answer and is spared, `half_open` while one attempt finds out.   failing_since: since when all failed.
    """

    id: str
    description: str | None
    rate: float | None
    at_once: int
    schedule: list[int] | None
    state: Literal["enabled", "disabled"]
    disabled_at: datetime | None
    disabled_as: str | None
    breaker: str
    failing_since: datetime | None
    created_by: str
    created_at: datetime
    updated_at: datetime


class EndpointInfo(DestinationInfo, frozen=True, kw_only=True):
    """An endpoint. disabled_as: `by_hand`, `failing` (for days) or `gone` (it answered 410).

    breaker: `open` while it does not answer and is spared, `half_open` while one attempt finds out.   failing_since: since when all failed.
    headers: their names.
    """

    id: EndpointId
    url: str
    events: list[str]
    order_by: str | None
    signature: Signature
    headers: list[str]


class Waiting(msgspec.Struct, frozen=True):
    """How many deliveries are on their way and how many are held back, each counted up to 10,000."""

    pending: int
    held: int


class LastFailure(msgspec.Struct, frozen=True):
    """The newest delivery that failed or fails, and why."""

    delivery: str
    reason: str


class EndpointDetail(EndpointInfo, frozen=True, kw_only=True):
    """An endpoint and how it does. last_failure: among its newest 200 deliveries."""

    waiting: Waiting
    last_failure: LastFailure | None


class EndpointCreated(EndpointInfo, frozen=True, kw_only=True):
    """A new endpoint, with what verifies its signatures: the secret, or for v1a the public key."""

    secret: Annotated[str, Meta(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])] | UnsetType = UNSET
    public_key: str | UnsetType = UNSET
    note: str | UnsetType = UNSET


class EndpointPage(msgspec.Struct, frozen=True):
    items: list[EndpointInfo]
    next: str | None


class ShownKey(msgspec.Struct, frozen=True):
    """key: `whsec_…`, or the public key `whpk_…`.   until: when it stops signing."""

    key: Annotated[str, Meta(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])]
    until: datetime | None


class EndpointSecret(msgspec.Struct, frozen=True):
    """What verifies an endpoint's signatures, the newest first: each request is signed with all of them."""

    signature: Signature
    keys: list[ShownKey]


class SecretRotation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """overlap: seconds for which the older keys still sign, beside the new one."""

    overlap: Annotated[int, Meta(ge=0, le=30 * DAY_S, description="Seconds for which older keys still sign; 0 ends them now.")] = DAY_S
    secret: Secret | None = None


class SecretRotated(msgspec.Struct, frozen=True, kw_only=True):
    """The new key. older_until: until when the older ones sign at the latest; null when none does."""

    id: EndpointId
    older_until: datetime | None
    secret: Annotated[str, Meta(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])] | UnsetType = UNSET
    public_key: str | UnsetType = UNSET
    note: str | UnsetType = UNSET


class Enabling(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """backfill: send what was held back meanwhile, too."""

    backfill: bool = False


class Enabled(msgspec.Struct, frozen=True, kw_only=True):
    """held: deliveries that were held back, counted up to 10,000, and `since` when.   replay: what sends them, if that was asked for."""

    id: DestinationId
    held: int
    since: datetime | None
    replay: Annotated[str, Meta(examples=["rpl_9x4bq1v8z3dw7k2m"])] | None
