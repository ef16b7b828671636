"""Unsubscribing with the token of a letter, and what the product sees of it."""

from typing import Annotated

from litestar import Response, Router, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, HeaderParameter, QueryParameter

from tidings.access.guards import may
from tidings.access.principals import KeyHolder
from tidings.deliveries.suppressions.page import HEADERS, asking, done, invalid
from tidings.deliveries.suppressions.store import lift_suppressions, list_suppressions, suppress_person
from tidings.deliveries.suppressions.structs import SuppressedChannel, Suppressions
from tidings.deliveries.suppressions.token import read_token
from tidings.platform.postgres import Database, tenant_transaction
from tidings.platform.problems import responses
from tidings.recipients.structs import SubscriberIdInPath

AcceptLanguage = Annotated[str, HeaderParameter(name="Accept-Language")]
OfChannel = Annotated[SuppressedChannel | None, QueryParameter(name="channel", description="Only this channel; all when left out.")]


@get("/{token:str}", media_type="text/html")
async def show_unsubscribe(token: FromPath[str], accept_language: AcceptLanguage = "") -> Response[str]:
    """Takes no effect: mail filters open every link of a letter."""
    return answer(asking(accept_language)) if read_token(token) else answer(invalid(accept_language), 404)


# Mail programs post a form (RFC 8058 §3.2), which nobody reads: that it came says it all.
@post("/{token:str}", media_type="text/html", status_code=200, opt={"any_media_type": True})
async def unsubscribe(token: FromPath[str], database: NamedDependency[Database], accept_language: AcceptLanguage = "") -> Response[str]:
    who = read_token(token)
    if who is None:
        return answer(invalid(accept_language), 404)
    async with tenant_transaction(database, who.project) as connection:
        await suppress_person(connection, who)
    return answer(done(accept_language))


def answer(page: str, status: int = 200) -> Response[str]:
    return Response(page, status_code=status, media_type="text/html", headers=HEADERS)


@get(
    "/",
    guards=[may("subscribers:read")],
    operation_id="ListSuppressions",
    responses=responses(200, None, 401, 403, 404, 422, 503),
)
async def get_suppressions(
    subscriber_id: SubscriberIdInPath, holder: NamedDependency[KeyHolder], database: NamedDependency[Database]
) -> Suppressions:
    """Through which channels nothing goes to a subscriber, and why: they unsubscribed, or their address bounced or complained."""
    async with tenant_transaction(database, holder.tenant.id) as connection:
        return Suppressions(await list_suppressions(connection, holder.tenant.id, subscriber_id))


@delete(
    "/",
    guards=[may("subscribers:write")],
    status_code=204,
    operation_id="LiftSuppressions",
    responses=responses(204, None, 401, 403, 404, 422, 503),
)
async def delete_suppressions(
    subscriber_id: SubscriberIdInPath,
    holder: NamedDependency[KeyHolder],
    database: NamedDependency[Database],
    channel: OfChannel = None,
) -> None:
    """Send to a subscriber again, who asked for it, or whose address works again. 204 also when nothing was suppressed."""
    async with tenant_transaction(database, holder.tenant.id) as connection:
        await lift_suppressions(connection, holder.tenant.id, subscriber_id, channel)


unsubscribe_router = Router(path="/v1/unsubscribe", route_handlers=[show_unsubscribe, unsubscribe], include_in_schema=False)
product_router = Router(
    path="/v1/subscribers/{subscriber_id:str}/suppressions",
    route_handlers=[get_suppressions, delete_suppressions],
    tags=["Subscribers"],
)
router = Router(path="/", route_handlers=[unsubscribe_router, product_router])
