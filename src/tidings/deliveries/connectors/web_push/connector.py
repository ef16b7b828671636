"""One attempt to reach all browsers of a person."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from tidings.deliveries.connectors.connector import Destination, Reach
from tidings.deliveries.connectors.links import absolute
from tidings.deliveries.connectors.notified import Notified, read_notification
from tidings.deliveries.connectors.redaction import redacted
from tidings.deliveries.connectors.web_push.answer import NO_SUBSCRIPTION, is_gone, outcome_of, outcome_of_no_answer, together
from tidings.deliveries.connectors.web_push.encryption import encrypt
from tidings.deliveries.connectors.web_push.message import Direction, Pushed, headers_of, payload_of
from tidings.deliveries.connectors.web_push.subscriptions import Subscription, find_subscriptions, forget
from tidings.deliveries.connectors.web_push.vapid import Authorizations, For
from tidings.deliveries.ledger.channels import Channel
from tidings.deliveries.ledger.claim import Claimed
from tidings.deliveries.ledger.outcome import Outcome
from tidings.errors import Invalid
from tidings.outbound.client import Outbound
from tidings.outbound.errors import OutboundFailed
from tidings.outbound.networks import Policy
from tidings.recipients.structs import Locale

SCHEDULE = (5, 30, 300, 1800, 7200, 21_600)
# The service of Safari refuses what is no address, or stands in angle brackets.
MAILTO = re.compile(r"mailto:[^\s@<>]+@[^\s@<>.]+(\.[^\s@<>.]+)+")


class WebPushConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """contact: whom a push service may turn to, `mailto:…` or an https URL; it is told to them.

    icon: a URL, or a path of your product.   lang, dir: of the texts that your product writes.
    """

    contact: Annotated[str, Meta(max_length=255, examples=["mailto:ops@example.com"])]
    icon: Annotated[str, Meta(max_length=500)] | None = None
    lang: Locale | None = None
    dir: Direction | None = None


class WebPushCredentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """None: the project's own key stands in `push_keys`."""


class WebPush:
    name = "web_push"
    channel: Channel = "push"
    schedule = SCHEDULE
    # The browser shows it under a tag, which is the notification's id, so a repetition takes its own place.
    repeats = True
    most_together = 1
    config = WebPushConfig
    credentials = WebPushCredentials

    def __init__(self) -> None:
        self.authorizations = Authorizations()

    def check(self, config: Any, credentials: Any, policy: Policy) -> None:
        is_url = config.contact.startswith("https://") and absolute(config.contact, None) is not None
        if not is_url and not MAILTO.fullmatch(config.contact):
            raise Invalid("This must be mailto: with an address, or a URL that begins with https://.", field="config.contact")

    async def send(self, reach: Reach, destination: Destination, deliveries: Sequence[Claimed]) -> list[Outcome]:
        return [await self.attempt(reach, destination, delivery, datetime.now(UTC)) for delivery in deliveries]

    async def attempt(self, reach: Reach, destination: Destination, delivery: Claimed, now: datetime) -> Outcome:
        notification = read_notification(delivery, now)
        if isinstance(notification, Outcome):
            return notification
        subscriptions = await find_subscriptions(reach.pool, delivery.project, delivery.subscriber, now)
        if not subscriptions:
            return NO_SUBSCRIPTION
        authorizations = await self.authorizations_for(reach, destination, subscriptions, now)
        if authorizations is None:
            return Outcome(
                kind="refused", reason="no_key", detail="The project has no key for web push, so no browser has subscribed to it."
            )
        plain, headers = payload_of(pushed(notification, destination.config)), headers_of(notification, now)
        outcomes = await asyncio.gather(
            *(push(reach.outbound, one, plain, headers | {"authorization": authorizations[one.audience]}) for one in subscriptions)
        )
        gone = [one.id for one, outcome in zip(subscriptions, outcomes, strict=True) if is_gone(outcome)]
        await forget(reach.pool, delivery.project, gone)
        return together(outcomes)

    async def authorizations_for(
        self, reach: Reach, destination: Destination, subscriptions: Sequence[Subscription], now: datetime
    ) -> dict[str, str] | None:
        """By push service."""
        found: dict[str, str] = {}
        for audience in sorted({one.audience for one in subscriptions}):
            whom = For(destination.project, audience, destination.config["contact"])
            header = await self.authorizations.of(reach.pool, reach.vault, whom, now)
            if header is None:
                return None
            found[audience] = header
        return found


def pushed(notification: Notified, config: Mapping[str, Any]) -> Pushed:
    """The url as it is: a path of the product is one of the page that subscribed."""
    return Pushed(
        notification.id,
        notification.title,
        notification.body,
        notification.url,
        config.get("icon"),
        config.get("lang"),
        config.get("dir"),
    )


async def push(outbound: Outbound, subscription: Subscription, plain: bytes, headers: Mapping[str, str]) -> Outcome:
    body = encrypt(plain, subscription.p256dh, subscription.auth)
    try:
        answer = await outbound.request("POST", subscription.endpoint, headers=headers, body=body, repeatable=True)
    except OutboundFailed as error:
        outcome = outcome_of_no_answer(error)
    else:
        outcome = outcome_of(answer, datetime.now(UTC))
    # Who knows the address can write there, and a service may repeat it.
    return redacted(outcome, {"endpoint": subscription.endpoint})
