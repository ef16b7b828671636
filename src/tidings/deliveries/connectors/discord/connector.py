"""One attempt of a message to a Discord channel."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from yarl import URL

from tidings import __version__
from tidings.deliveries.connectors.answered import unanswered
from tidings.deliveries.connectors.connector import Destination, Reach
from tidings.deliveries.connectors.discord.answer import outcome_of
from tidings.deliveries.connectors.discord.message import message_of
from tidings.deliveries.connectors.links import LinkBase, check_link_base
from tidings.deliveries.connectors.notified import read_notification
from tidings.deliveries.connectors.pinned import check_pinned
from tidings.deliveries.ledger.channels import Channel
from tidings.deliveries.ledger.claim import Claimed
from tidings.deliveries.ledger.outcome import Outcome
from tidings.errors import Invalid
from tidings.outbound.errors import OutboundFailed
from tidings.outbound.networks import Policy

SCHEDULE = (5, 60, 300, 1800, 7200, 21_600)
HOSTS = ("discord.com", "discordapp.com", "ptb.discord.com", "canary.discord.com")
PATH = re.compile(r"/api(/v[0-9]+)?/webhooks/[0-9]+/[A-Za-z0-9_-]+")


class DiscordConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """link_base: of your product, for notifications whose url is a path."""

    link_base: LinkBase | None = None


class DiscordCredentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """url: of the webhook; `?thread_id=…` leads into a thread. Whoever knows it can write into the channel."""

    url: str


class Discord:
    name = "discord"
    channel: Channel = "chat"
    schedule = SCHEDULE
    # A webhook takes no nonce, by which Discord knows a repetition of other messages.
    repeats = False
    most_together = 1
    config = DiscordConfig
    credentials = DiscordCredentials

    def check(self, config: Any, credentials: Any, policy: Policy) -> None:
        check_link_base(config.link_base)
        url = check_pinned(credentials.url, HOSTS, policy, "credentials.url")
        if not PATH.fullmatch(url.path):
            raise Invalid(
                "This is no webhook of Discord: its path is /api/webhooks/ID/TOKEN, and nothing after it.", field="credentials.url"
            )

    async def send(self, reach: Reach, destination: Destination, deliveries: Sequence[Claimed]) -> list[Outcome]:
        return [await self.attempt(reach, destination, delivery, datetime.now(UTC)) for delivery in deliveries]

    async def attempt(self, reach: Reach, destination: Destination, delivery: Claimed, now: datetime) -> Outcome:
        notification = read_notification(delivery, now)
        if isinstance(notification, Outcome):
            return notification
        body = msgspec.json.encode(message_of(notification, destination.config.get("link_base")))
        try:
            answer = await reach.outbound.request("POST", waiting(destination.secrets["url"]), headers=headers_of(reach), body=body)
        except OutboundFailed as error:
            return unanswered(error)
        return outcome_of(answer, datetime.now(UTC))


def waiting(url: str) -> str:
    """Discord answers when the message is there, and not before it has looked at it."""
    return str(URL(url).update_query(wait="true"))


def headers_of(reach: Reach) -> dict[str, str]:
    # In the form that Discord asks for: others may be blocked (https://docs.discord.com/developers/reference#user-agent).
    return {"content-type": "application/json", "user-agent": f"DiscordBot ({reach.base_url}, {__version__})"}
