"""Deliveries, their attempts and replays over HTTP."""

from datetime import datetime
from typing import Annotated, cast, get_args
from uuid import UUID

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, Parameter, QueryParameter

from tidings.access.guards import may
from tidings.access.idempotency import OnceKey, answer_once
from tidings.access.principals import KeyHolder
from tidings.deliveries.ledger.attempts import list_attempts
from tidings.deliveries.ledger.clock import time_of
from tidings.deliveries.ledger.listing import Wanted, get_delivery, list_deliveries
from tidings.deliveries.ledger.replays import cancel_replay, create_replay, get_replay, list_replays
from tidings.deliveries.ledger.resend import cancel, resend
from tidings.deliveries.ledger.structs import AttemptPage, DeliveryInfo, DeliveryPage, NewReplay, ReplayBegun, ReplayInfo, ReplayPage, State
from tidings.errors import Invalid
from tidings.events.wake import Waker
from tidings.platform.paging import DEFAULT_LIMIT, After, Limit
from tidings.platform.postgres import Database, tenant_connection, tenant_transaction
from tidings.platform.problems import responses

STATES = get_args(State)
# An attempt may carry 16 KiB of the answer.
FewAttempts = Annotated[int, Parameter(ge=1, le=100, description="Items a page.")]


@get("/", guards=[may("deliveries:read")], operation_id="ListDeliveries", responses=responses(200, None, 400, 401, 403, 404, 422, 503))
async def get_deliveries(
    holder: NamedDependency[KeyHolder],
    database: NamedDependency[Database],
    endpoint: Annotated[str | None, Parameter(max_length=100, description="To this endpoint.")] = None,
    integration: Annotated[str | None, Parameter(max_length=100, description="To this integration.")] = None,
    # Litestar keeps the name `state` for its own.
    in_state: Annotated[str | None, QueryParameter(name="state", description="In this state.", enum=STATES)] = None,
    type: Annotated[str | None, Parameter(max_length=100, description="Of events of this type, as in notification.created.")] = None,
    notification: Annotated[UUID | None, Parameter(description="That tell of this notification.")] = None,
    subscriber: Annotated[str | None, Parameter(max_length=255, description="To this subscriber: e-mail, SMS and push.")] = None,
    since: Annotated[datetime | None, Parameter(description="Accepted at this time or after it.")] = None,
    until: Annotated[datetime | None, Parameter(description="Accepted before this time.")] = None,
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
) -> DeliveryPage:
    """Deliveries that fit all that is asked, the newest first.

    A page may have fewer items than `limit`, even none, and still a `next`: it stops after looking at 5,000.
    """
    wanted = Wanted(
        endpoint=plain(endpoint, "endpoint"),
        integration=plain(integration, "integration"),
        state=known_state(in_state),
        type=plain(type, "type"),
        notification=notification,
        subscriber=plain(subscriber, "subscriber"),
        since=with_zone(since, "since"),
        until=with_zone(until, "until"),
    )
    async with tenant_connection(database, holder.tenant.id) as connection:
        return await list_deliveries(connection, holder.tenant.id, wanted, after, limit)


def known_state(text: str | None) -> State | None:
    if text is not None and text not in STATES:
        raise Invalid(f"state must be one of {', '.join(STATES)}.", field="state")
    return cast(State | None, text)


def with_zone(when: datetime | None, field: str) -> datetime | None:
    if when is not None and when.tzinfo is None:
        raise Invalid(f"{field} must say its time zone, as in 2026-11-25T12:00:00Z.", field=field)
    return when


def plain(text: str | None, field: str) -> str | None:
    """PostgreSQL takes no U+0000."""
    if text is not None and "\x00" in text:
        raise Invalid(f"{field} holds the character U+0000.", field=field)
    return text


@get("/{delivery:str}", guards=[may("deliveries:read")], operation_id="GetDelivery", responses=responses(200, None, 401, 403, 404, 503))
async def get_one_delivery(
    delivery: FromPath[str], holder: NamedDependency[KeyHolder], database: NamedDependency[Database]
) -> DeliveryInfo:
    """A delivery, as it stands."""
    async with tenant_connection(database, holder.tenant.id) as connection:
        return await get_delivery(connection, holder.tenant.id, delivery)


@get(
    "/{delivery:str}/attempts",
    guards=[may("deliveries:read")],
    operation_id="ListAttempts",
    responses=responses(200, None, 400, 401, 403, 404, 422, 503),
)
async def get_attempts(
    delivery: FromPath[str],
    holder: NamedDependency[KeyHolder],
    database: NamedDependency[Database],
    limit: FewAttempts = 100,
    after: After = None,
) -> AttemptPage:
    """Every attempt of a delivery, the first one first: how it ended, how long each step took, what was answered."""
    async with tenant_connection(database, holder.tenant.id) as connection:
        return await list_attempts(connection, holder.tenant.id, delivery, after, limit)


@post(
    "/{delivery:str}/resend",
    guards=[may("deliveries:write")],
    status_code=202,
    operation_id="ResendDelivery",
    responses=responses(202, None, 401, 403, 404, 409, 503),
)
async def post_resending(
    delivery: FromPath[str], holder: NamedDependency[KeyHolder], database: NamedDependency[Database], waker: NamedDependency[Waker]
) -> DeliveryInfo:
    """Send a delivery again, now, with the same id (`webhook-id`); if it fails, the whole schedule lies before it again."""
    async with tenant_transaction(database, holder.tenant.id) as connection:
        info = await resend(connection, holder, delivery, await time_of(connection))
    waker.wake(holder.tenant.shard)
    return info


@post(
    "/{delivery:str}/cancel",
    guards=[may("deliveries:write")],
    status_code=200,
    operation_id="CancelDelivery",
    responses=responses(200, None, 401, 403, 404, 409, 503),
)
async def post_cancelling(
    delivery: FromPath[str], holder: NamedDependency[KeyHolder], database: NamedDependency[Database], waker: NamedDependency[Waker]
) -> DeliveryInfo:
    """Give up a delivery that waits or is held. One that is on its way just now may still arrive, and is `delivered` then."""
    async with tenant_transaction(database, holder.tenant.id) as connection:
        info = await cancel(connection, holder, delivery, await time_of(connection))
    waker.wake(holder.tenant.shard)
    return info


@post(
    "/replay",
    guards=[may("deliveries:write")],
    status_code=202,
    operation_id="ReplayDeliveries",
    responses=responses(202, ReplayBegun, 400, 401, 403, 404, 409, 413, 415, 422, 503),
)
async def post_replay(
    data: JSONBody[NewReplay],
    holder: NamedDependency[KeyHolder],
    database: NamedDependency[Database],
    waker: NamedDependency[Waker],
    once: NamedDependency[OnceKey | None],
) -> Response[bytes]:
    """Send again what an endpoint or an integration was to get between two times, at a rate; dead deliveries unless said otherwise."""
    async with tenant_transaction(database, holder.tenant.id) as connection:
        now = await time_of(connection)
        answer = await answer_once(connection, holder.tenant.id, once, lambda: create_replay(connection, holder, data, now), status=202)
    waker.wake(holder.tenant.shard)
    return answer


@get("/", guards=[may("deliveries:read")], operation_id="ListReplays", responses=responses(200, None, 400, 401, 403, 422, 503))
async def get_replays(
    holder: NamedDependency[KeyHolder], database: NamedDependency[Database], limit: Limit = DEFAULT_LIMIT, after: After = None
) -> ReplayPage:
    """The replays of the project, the newest first."""
    async with tenant_connection(database, holder.tenant.id) as connection:
        return await list_replays(connection, holder.tenant, after, limit)


@get("/{replay:str}", guards=[may("deliveries:read")], operation_id="GetReplay", responses=responses(200, None, 401, 403, 404, 422, 503))
async def get_one_replay(replay: FromPath[str], holder: NamedDependency[KeyHolder], database: NamedDependency[Database]) -> ReplayInfo:
    """A replay and how far it is."""
    async with tenant_connection(database, holder.tenant.id) as connection:
        return await get_replay(connection, holder.tenant, replay)


@post(
    "/{replay:str}/cancel",
    guards=[may("deliveries:write")],
    status_code=200,
    operation_id="CancelReplay",
    responses=responses(200, None, 401, 403, 404, 409, 422, 503),
)
async def post_replay_cancelling(
    replay: FromPath[str], holder: NamedDependency[KeyHolder], database: NamedDependency[Database], waker: NamedDependency[Waker]
) -> ReplayInfo:
    """Stop a replay. What it queued before stays queued."""
    async with tenant_transaction(database, holder.tenant.id) as connection:
        info = await cancel_replay(connection, holder, replay)
    waker.wake(holder.tenant.shard)
    return info


deliveries_router = Router(
    path="/v1/deliveries",
    route_handlers=[get_deliveries, get_one_delivery, get_attempts, post_resending, post_cancelling, post_replay],
    tags=["Deliveries"],
)
replays_router = Router(path="/v1/replays", route_handlers=[get_replays, get_one_replay, post_replay_cancelling], tags=["Deliveries"])
router = Router(path="/", route_handlers=[deliveries_router, replays_router])
