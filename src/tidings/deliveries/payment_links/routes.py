"""Payment links over HTTP."""

import msgspec
from litestar import Response, Router, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from tidings.access.guards import may
from tidings.access.idempotency import Answer, OnceKey, json_response
from tidings.access.principals import KeyHolder
from tidings.deliveries.connectors.connector import Reach
from tidings.deliveries.payment_links.stripe import create_payment_link, stripe_of
from tidings.deliveries.payment_links.structs import NewPaymentLink, PaymentLink
from tidings.platform.postgres import Database, tenant_connection
from tidings.platform.problems import responses


@post(
    "/v1/integrations/{integration:str}/payment-links",
    guards=[may("integrations:write")],
    operation_id="CreatePaymentLink",
    tags=["Integrations"],
    responses=responses(201, PaymentLink, 400, 401, 403, 404, 409, 413, 415, 422, 502, 503),
)
async def post_payment_link(
    integration: FromPath[str],
    data: JSONBody[NewPaymentLink],
    holder: NamedDependency[KeyHolder],
    database: NamedDependency[Database],
    reach: NamedDependency[Reach],
    once: NamedDependency[OnceKey | None],
) -> Response[bytes]:
    """Have Stripe make a payment link, with the key of an integration of `stripe_meter`; its `url` is for an action of a notification.

    Without an `Idempotency-Key` the same request has the same link for a day.
    """
    async with tenant_connection(database, holder.tenant.id) as connection:
        destination = await stripe_of(connection, holder, reach.vault, integration)
    # Without the connection: Stripe may take its time.
    made = await create_payment_link(reach.outbound, destination, data, once)
    return json_response(Answer(201, msgspec.json.encode(made.link), made.is_repeated))


router = Router(path="/", route_handlers=[post_payment_link])
