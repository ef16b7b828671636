"""Where SNS sends: no API key, but a signature, and the topic that the integration names."""

from typing import Any

import msgspec
from litestar import Request, Router, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from loguru import logger

from tidings.deliveries.connectors.connector import Reach
from tidings.deliveries.connectors.ses.config import SesConfig
from tidings.deliveries.connectors.ses.inbound.envelope import CONFIRMATION, Certificates, Envelope, read_envelope, verify
from tidings.deliveries.connectors.ses.inbound.feedback import unreachable
from tidings.deliveries.suppressions.store import suppress_addresses
from tidings.errors import Forbidden, NotFound, Unavailable
from tidings.outbound.client import Outbound
from tidings.outbound.errors import OutboundFailed
from tidings.platform.postgres import Database, tenant_transaction

FIND = "SELECT project, config::text FROM destinations WHERE key = $1 AND connector = 'ses' AND deleted_at IS NULL"
CERTIFICATES = Certificates()


# SNS posts JSON as text/plain.
@post("/{integration:str}", status_code=204, opt={"any_media_type": True})
async def take_feedback(
    integration: FromPath[str], request: Request[Any, Any, Any], database: NamedDependency[Database], reach: NamedDependency[Reach]
) -> None:
    """Bounces and complaints of SES; and the confirmation that this is where they are wanted."""
    project, config = await find_integration(database, integration)
    envelope = read_envelope(await request.body())
    if config.topic_arn is None or envelope.topic_arn != config.topic_arn:
        # Anybody can have a topic, and SNS would sign for it.
        raise Forbidden("This is not the topic that the integration names in config.topic_arn.")
    verify(envelope, await CERTIFICATES.key_at(envelope.certificate_url, reach.outbound))
    if envelope.type == "SubscriptionConfirmation":
        await confirm(envelope, reach.outbound)
        logger.info("{} gets the feedback of SES by {}", integration, envelope.topic_arn)
    elif envelope.type == "Notification":
        await take(database, project, envelope.message)


async def find_integration(database: Database, key: str) -> tuple[int, SesConfig]:
    """Raises NotFound."""
    row = await database.system.fetchrow(FIND, key)
    if row is None:
        raise NotFound(f"There is no SES integration {key[:80]!r}.")
    return row["project"], msgspec.json.decode(row["config"], type=SesConfig)


async def confirm(envelope: Envelope, outbound: Outbound) -> None:
    url = envelope.subscribe_url or ""
    if not CONFIRMATION.fullmatch(url):
        raise Forbidden("SubscribeURL is not of SNS.")
    try:
        answer = await outbound.request("GET", url)
    except OutboundFailed:
        raise Unavailable("SNS could not be asked.", retry_after=10) from None
    if answer.status != 200:
        raise Unavailable(f"SNS answered {answer.status}.", retry_after=10)


async def take(database: Database, project: int, message: str) -> None:
    if found := unreachable(message):
        async with tenant_transaction(database, project) as connection:
            await suppress_addresses(connection, project, "email", found.addresses, found.reason)


router = Router(path="/v1/inbound/ses", route_handlers=[take_feedback], include_in_schema=False)
