"""One attempt of a message to a Slack channel."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from tidings.deliveries.connectors.answered import unanswered
from tidings.deliveries.connectors.connector import Destination, Reach
from tidings.deliveries.connectors.links import LinkBase, check_link_base
from tidings.deliveries.connectors.notified import read_notification
from tidings.deliveries.connectors.pinned import check_pinned
from tidings.deliveries.connectors.slack.answer import outcome_of
from tidings.deliveries.connectors.slack.message import message_of
from tidings.deliveries.ledger.channels import Channel
from tidings.deliveries.ledger.claim import Claimed
from tidings.deliveries.ledger.outcome import Outcome
from tidings.errors import Invalid
from tidings.outbound.errors import OutboundFailed
from tidings.outbound.networks import Policy

SCHEDULE = (5, 60, 300, 1800, 7200, 21_600)
# The second is that of Slack for governments.
HOSTS = ("hooks.slack.com", "hooks.slack-gov.com")


class SlackConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """link_base: of your product, for notifications whose url is a path."""

    link_base: LinkBase | None = None


class SlackCredentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """url: of the incoming webhook. Whoever knows it can write into the channel."""

    url: str


class Slack:
    name = "slack"
    channel: Channel = "chat"
    schedule = SCHEDULE
    # An incoming webhook takes no id by which it would know what it has seen.
    repeats = False
    most_together = 1
    config = SlackConfig
    credentials = SlackCredentials

    def check(self, config: Any, credentials: Any, policy: Policy) -> None:
        check_link_base(config.link_base)
        url = check_pinned(credentials.url, HOSTS, policy, "credentials.url")
        if not url.path.startswith("/services/"):
            raise Invalid("This is no incoming webhook: its path begins with /services/.", field="credentials.url")

    async def send(self, reach: Reach, destination: Destination, deliveries: Sequence[Claimed]) -> list[Outcome]:
        return [await self.attempt(reach, destination, delivery, datetime.now(UTC)) for delivery in deliveries]

    async def attempt(self, reach: Reach, destination: Destination, delivery: Claimed, now: datetime) -> Outcome:
        notification = read_notification(delivery, now)
        if isinstance(notification, Outcome):
            return notification
        body = msgspec.json.encode(message_of(notification, destination.config.get("link_base")))
        try:
            answer = await reach.outbound.request(
                "POST", destination.secrets["url"], headers={"content-type": "application/json; charset=utf-8"}, body=body
            )
        except OutboundFailed as error:
            return unanswered(error)
        return outcome_of(answer, datetime.now(UTC))
