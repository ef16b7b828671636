"""Where other services send their events: no API key, but a signature over the body as it came."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from litestar import Request, Router, post
from litestar.di import NamedDependency
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema
from litestar.params import FromPath

from tidings.notifications.publish import PublishDoor
from tidings.platform.postgres import Database
from tidings.platform.problems import responses
from tidings.sources.inbound import receive
from tidings.sources.structs import Received
from tidings.vault import Vault

ANY_OBJECT = OpenAPIMediaType(schema=Schema(type=OpenAPIType.OBJECT))


@dataclass
class WithBody(Operation):
    """The body is read by hand, since its signature is over its bytes; so the document is told of it by hand too."""

    def __post_init__(self) -> None:
        self.request_body = RequestBody(description="The event, as the service writes it.", content={"application/json": ANY_OBJECT})


@post(
    "/{source:str}",
    status_code=200,
    operation_id="ReceiveEvent",
    operation_class=WithBody,
    responses=responses(200, None, 400, 401, 404, 413, 415, 422, 503),
)
async def post_event(
    source: FromPath[str],
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    vault: NamedDependency[Vault],
    door: NamedDependency[PublishDoor],
) -> Received:
    """For the service of a source: `Stripe-Signature`, `X-Hub-Signature-256` or `webhook-signature` says who sends.

    It is committed when this answers; a repetition of the same event answers the same and publishes nothing.
    """
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Received(await receive(database, vault, door, source, headers, await request.body(), datetime.now(UTC)))


router = Router(path="/v1/inbound", route_handlers=[post_event], tags=["Sources"], security=[{}])
