"""Web push over HTTP: what a browser needs to subscribe, and what the product sees of it."""

from typing import Annotated

from litestar import Router, delete, get, put
from litestar.di import NamedDependency
from litestar.params import FromPath, HeaderParameter, JSONBody

from tidings.access.guards import may
from tidings.access.principals import KeyHolder, SubscriberSession
from tidings.access.public_keys import base64url
from tidings.platform.postgres import Database, tenant_transaction
from tidings.platform.problems import responses
from tidings.push.keys import ensure_public_key
from tidings.push.structs import NewSubscription, PushKey, PushSubscriptions, Subscribed
from tidings.push.subscriptions import forget_own, forget_subscription, list_subscriptions, put_subscription
from tidings.recipients.structs import SubscriberIdInPath
from tidings.vault import Vault

UserAgent = Annotated[
    str | None, HeaderParameter(name="User-Agent", description="Kept to tell browsers apart, at most 256 characters of it.")
]


@get("/key", operation_id="GetPushKey", responses=responses(200, None, 401, 503))
async def get_push_key(
    session: NamedDependency[SubscriberSession], database: NamedDependency[Database], vault: NamedDependency[Vault]
) -> PushKey:
    """The project's public key (RFC 8292), for `applicationServerKey` of PushManager.subscribe(). It stays the same."""
    async with tenant_transaction(database, session.tenant.id) as connection:
        return PushKey(base64url(await ensure_public_key(connection, vault, session.tenant.id)))


@put("/subscriptions", operation_id="PutPushSubscription", responses=responses(200, None, 400, 401, 413, 415, 422, 503))
async def put_push_subscription(
    data: JSONBody[NewSubscription],
    session: NamedDependency[SubscriberSession],
    database: NamedDependency[Database],
    user_agent: UserAgent = None,
) -> Subscribed:
    """Show this browser's subscription, as PushSubscription.toJSON() gives it: at each start, so that it stays known.

    A browser belongs to whoever signed in there last. A person has 20 at most: the one not shown for the longest time goes.
    """
    async with tenant_transaction(database, session.tenant.id) as connection:
        return await put_subscription(connection, session, data, user_agent)


@delete(
    "/subscriptions/{push_id:str}", status_code=204, operation_id="DeletePushSubscription", responses=responses(204, None, 401, 422, 503)
)
async def delete_push_subscription(
    push_id: FromPath[str], session: NamedDependency[SubscriberSession], database: NamedDependency[Database]
) -> None:
    """Forget a browser of one's own. 204 also when it is forgotten already."""
    async with tenant_transaction(database, session.tenant.id) as connection:
        await forget_own(connection, session, push_id)


@get(
    "/",
    guards=[may("subscribers:read")],
    operation_id="ListPushSubscriptions",
    responses=responses(200, None, 401, 403, 404, 422, 503),
)
async def get_push_subscriptions(
    subscriber_id: SubscriberIdInPath, holder: NamedDependency[KeyHolder], database: NamedDependency[Database]
) -> PushSubscriptions:
    """The browsers of a subscriber that take web pushes, those seen last first."""
    async with tenant_transaction(database, holder.tenant.id) as connection:
        return await list_subscriptions(connection, holder.tenant.id, subscriber_id)


@delete(
    "/{push_id:str}",
    guards=[may("subscribers:write")],
    status_code=204,
    operation_id="DeleteSubscribersPushSubscription",
    responses=responses(204, None, 401, 403, 404, 422, 503),
)
async def delete_subscribers_push_subscription(
    subscriber_id: SubscriberIdInPath, push_id: FromPath[str], holder: NamedDependency[KeyHolder], database: NamedDependency[Database]
) -> None:
    """Forget a browser of a subscriber. It comes back when someone signs in there again and subscribes."""
    async with tenant_transaction(database, holder.tenant.id) as connection:
        await forget_subscription(connection, holder.tenant.id, subscriber_id, push_id)


browser_router = Router(
    path="/v1/push",
    route_handlers=[get_push_key, put_push_subscription, delete_push_subscription],
    tags=["Web push"],
    security=[{"subscriberToken": []}],
)
product_router = Router(
    path="/v1/subscribers/{subscriber_id:str}/push-subscriptions",
    route_handlers=[get_push_subscriptions, delete_subscribers_push_subscription],
    tags=["Web push"],
)
router = Router(path="/", route_handlers=[browser_router, product_router])
