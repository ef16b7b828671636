"""A notification through a service of Apprise, in a thread of its own: Apprise waits for each answer."""

import asyncio
import re
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from tidings.deliveries.connectors.apprise.message import Text, text_of
from tidings.deliveries.connectors.connector import Destination, Reach
from tidings.deliveries.connectors.links import LinkBase, check_link_base
from tidings.deliveries.connectors.notified import read_notification
from tidings.deliveries.ledger.channels import Channel
from tidings.deliveries.ledger.claim import Claimed
from tidings.deliveries.ledger.outcome import Outcome
from tidings.errors import Invalid
from tidings.outbound.client import Outbound
from tidings.outbound.networks import Policy

SCHEDULE = (10, 60, 300, 1800, 7200)
# For all requests of a notification.
TIMEOUT_S = 30.0
THREADS = ThreadPoolExecutor(8, thread_name_prefix="apprise")
SCHEME = re.compile(r"[a-z0-9][a-z0-9_+.-]{0,40}://.+", re.IGNORECASE)

MISSING = "Apprise is not installed here: install Tidings with its extra, tidings[apprise]."
NOT_INSTALLED = Outcome(kind="retry", reason="not_installed", detail=MISSING)
NOT_UNDERSTOOD = Outcome(kind="refused", reason="not_understood", detail="Apprise knows no such service, or the URL lacks a part.")
NOT_OVER_HTTP = Outcome(kind="refused", reason="not_over_http", detail="The service does not speak HTTP, and nothing else is let out.")


class AppriseConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """link_base: where the product is found, for links that are paths."""

    link_base: LinkBase | None = None


class AppriseCredentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """url: as Apprise writes it (`slack://TokenA/TokenB/TokenC`); it holds what grants access."""

    url: Annotated[str, Meta(min_length=5, max_length=2048, pattern=r"^[^\x00-\x20\x7f]+\Z")]


class AppriseService:
    name = "apprise"
    channel: Channel = "chat"
    schedule = SCHEDULE
    repeats = False
    most_together = 1
    config = AppriseConfig
    credentials = AppriseCredentials

    def check(self, config: Any, credentials: Any, policy: Policy) -> None:
        """Whether Apprise knows the service is found when it is sent to: importing its services would hold up all who are served here."""
        if not SCHEME.fullmatch(credentials.url):
            raise Invalid("Write the URL as Apprise does: service://….", field="credentials.url")
        if find_spec("apprise") is None:
            raise Invalid(MISSING, field="credentials.url")
        check_link_base(config.link_base)

    async def send(self, reach: Reach, destination: Destination, deliveries: Sequence[Claimed]) -> list[Outcome]:
        config = msgspec.convert(destination.config, AppriseConfig)
        url = msgspec.convert(destination.secrets, AppriseCredentials).url
        return [await attempt(reach.outbound, url, config.link_base, delivery, datetime.now(UTC)) for delivery in deliveries]


async def attempt(outbound: Outbound, url: str, link_base: str | None, delivery: Claimed, now: datetime) -> Outcome:
    notification = read_notification(delivery, now)
    if isinstance(notification, Outcome):
        return notification
    if find_spec("apprise") is None:
        return NOT_INSTALLED
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(THREADS, notify, outbound, loop, url, text_of(notification, link_base))


def notify(outbound: Outbound, loop: asyncio.AbstractEventLoop, url: str, text: Text) -> Outcome:
    """Imports here: an optional extra, and seconds of work."""
    from tidings.deliveries.connectors.apprise.answer import outcome_of  # noqa: PLC0415
    from tidings.deliveries.connectors.apprise.carrying import Carrier, Enough, carried_by  # noqa: PLC0415
    from tidings.deliveries.connectors.apprise.fence import fence  # noqa: PLC0415
    from tidings.deliveries.connectors.apprise.services import NotOverHttp, service_of  # noqa: PLC0415

    carrier = Carrier(outbound, loop, time.monotonic() + TIMEOUT_S)
    is_sent = False
    try:
        with fence(), carried_by(carrier):
            service = service_of(url)
            if service is None:
                return NOT_UNDERSTOOD
            is_sent = service.notify(body=text.body, title=text.title, body_format="text")
    except NotOverHttp:
        return NOT_OVER_HTTP
    except (Enough, Exception):  # what a service raises shows nothing that may be told
        is_sent = False
    return outcome_of(is_sent, carrier.exchanges, datetime.now(UTC))
