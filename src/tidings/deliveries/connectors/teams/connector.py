"""One attempt of a message to a channel of Teams."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from yarl import URL

from tidings.deliveries.connectors.answered import unanswered
from tidings.deliveries.connectors.connector import Destination, Reach
from tidings.deliveries.connectors.links import LinkBase, check_link_base
from tidings.deliveries.connectors.notified import read_notification
from tidings.deliveries.connectors.pinned import check_pinned, is_of
from tidings.deliveries.connectors.teams.answer import outcome_of
from tidings.deliveries.connectors.teams.message import message_of
from tidings.deliveries.ledger.channels import Channel
from tidings.deliveries.ledger.claim import Claimed
from tidings.deliveries.ledger.outcome import Outcome
from tidings.errors import Invalid
from tidings.outbound.errors import OutboundFailed
from tidings.outbound.networks import Policy

SCHEDULE = (5, 60, 300, 1800, 7200, 21_600)
# The second since the end of 2025, the first of workflows that are older.
HOSTS = ("*.logic.azure.com", "*.api.powerplatform.com")
RETIRED = ("*.webhook.office.com", "outlook.office.com", "outlook.office365.com")


class TeamsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """link_base: of your product, for notifications whose url is a path."""

    link_base: LinkBase | None = None


class TeamsCredentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """url: of the workflow. Whoever knows it can write into the channel."""

    url: str


class Teams:
    name = "teams"
    channel: Channel = "chat"
    schedule = SCHEDULE
    # A workflow posts what comes, and knows nothing of what came before.
    repeats = False
    most_together = 1
    config = TeamsConfig
    credentials = TeamsCredentials

    def check(self, config: Any, credentials: Any, policy: Policy) -> None:
        check_link_base(config.link_base)
        refuse_retired(credentials.url)
        url = check_pinned(credentials.url, HOSTS, policy, "credentials.url")
        if "sig" not in url.query:
            raise Invalid(
                "This URL of a workflow lacks its signature (sig=…): let anyone trigger it, and copy it again.", "credentials.url"
            )

    async def send(self, reach: Reach, destination: Destination, deliveries: Sequence[Claimed]) -> list[Outcome]:
        return [await self.attempt(reach, destination, delivery, datetime.now(UTC)) for delivery in deliveries]

    async def attempt(self, reach: Reach, destination: Destination, delivery: Claimed, now: datetime) -> Outcome:
        notification = read_notification(delivery, now)
        if isinstance(notification, Outcome):
            return notification
        body = msgspec.json.encode(message_of(notification, destination.config.get("link_base")))
        try:
            answer = await reach.outbound.request(
                "POST", destination.secrets["url"], headers={"content-type": "application/json"}, body=body
            )
        except OutboundFailed as error:
            return unanswered(error)
        return outcome_of(answer, datetime.now(UTC))


def refuse_retired(url: str) -> None:
    """Raises Invalid, since whoever has such a URL must know what to make instead."""
    try:
        host = URL(url).raw_host or ""
    except ValueError:
        return
    if any(is_of(host, pattern) for pattern in RETIRED):
        raise Invalid(
            "Microsoft retired the connectors that had such URLs: create a workflow in Teams, and give its URL.", "credentials.url"
        )
