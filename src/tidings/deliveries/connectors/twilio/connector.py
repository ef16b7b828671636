"""One attempt of an SMS."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
from msgspec import Meta

from tidings.deliveries.connectors.answered import unanswered
from tidings.deliveries.connectors.connector import Destination, Reach
from tidings.deliveries.connectors.links import LinkBase, check_link_base
from tidings.deliveries.connectors.notified import read_notification
from tidings.deliveries.connectors.twilio.answer import outcome_of
from tidings.deliveries.connectors.twilio.message import text_of
from tidings.deliveries.connectors.twilio.phone import e164
from tidings.deliveries.ledger.channels import Channel
from tidings.deliveries.ledger.claim import Claimed
from tidings.deliveries.ledger.outcome import Outcome
from tidings.errors import Invalid
from tidings.outbound.errors import OutboundFailed
from tidings.outbound.networks import Policy

API = "https://api.twilio.com"
# An SMS of yesterday tells little.
SCHEDULE = (5, 60, 300, 1800, 7200)

# A number, a short code, or a name of up to eleven characters with a letter in it.
Sender = Annotated[str, Meta(pattern=r"^(\+[1-9][0-9]{1,14}|[0-9]{3,8}|(?=.*[A-Za-z])[A-Za-z0-9 ]{1,11})$(?!\n)", examples=["+4930123456"])]
AccountSid = Annotated[str, Meta(pattern=r"^AC[0-9a-fA-F]{32}$(?!\n)")]
ServiceSid = Annotated[str, Meta(pattern=r"^MG[0-9a-fA-F]{32}$(?!\n)")]
KeySid = Annotated[str, Meta(pattern=r"^SK[0-9a-fA-F]{32}$(?!\n)")]
Secret = Annotated[str, Meta(pattern=r"^[!-~]{1,128}$(?!\n)")]


class TwilioConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who sends: `from` or `messaging_service_sid`.   link_base: of your product, for notifications whose url is a path."""

    account_sid: AccountSid
    sender: Sender | None = msgspec.field(default=None, name="from")
    messaging_service_sid: ServiceSid | None = None
    link_base: LinkBase | None = None


class TwilioCredentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The account's `auth_token`, or `api_key` and `api_secret`, which can be revoked by themselves."""

    auth_token: Secret | None = None
    api_key: KeySid | None = None
    api_secret: Secret | None = None


class Twilio:
    name = "twilio"
    channel: Channel = "sms"
    schedule = SCHEDULE
    # Twilio takes no key by which it would know a repetition, and each SMS costs.
    repeats = False
    most_together = 1
    config = TwilioConfig
    credentials = TwilioCredentials

    def check(self, config: Any, credentials: Any, policy: Policy) -> None:
        check_link_base(config.link_base)
        if (config.sender is None) == (config.messaging_service_sid is None):
            raise Invalid("Give either from or messaging_service_sid.", field="config.from")
        if (credentials.api_key is None) != (credentials.api_secret is None):
            raise Invalid("An API key needs its secret.", field="credentials.api_secret")
        if (credentials.auth_token is None) == (credentials.api_key is None):
            raise Invalid("Give either auth_token, or api_key and api_secret.", field="credentials.auth_token")

    async def send(self, reach: Reach, destination: Destination, deliveries: Sequence[Claimed]) -> list[Outcome]:
        return [await self.attempt(reach, destination, delivery, datetime.now(UTC)) for delivery in deliveries]

    async def attempt(self, reach: Reach, destination: Destination, delivery: Claimed, now: datetime) -> Outcome:
        notification = read_notification(delivery, now)
        if isinstance(notification, Outcome):
            return notification
        number = e164(delivery.phone)
        if number is None:
            return Outcome(kind="refused", reason="no_number", detail="The person has no phone number that begins with + and its country.")
        config, credentials = destination.config, destination.secrets
        form = sender_of(config) | {"To": number, "Body": text_of(notification, config.get("link_base"))}
        try:
            answer = await reach.outbound.request(
                "POST",
                f"{API}/2010-04-01/Accounts/{config['account_sid']}/Messages.json",
                headers={"authorization": authorization(config, credentials), "content-type": "application/x-www-form-urlencoded"},
                body=urlencode(form).encode(),
            )
        except OutboundFailed as error:
            return unanswered(error)
        return outcome_of(answer, datetime.now(UTC))


def sender_of(config: Mapping[str, Any]) -> dict[str, str]:
    if service := config.get("messaging_service_sid"):
        return {"MessagingServiceSid": service}
    return {"From": config["from"]}


def authorization(config: Mapping[str, Any], credentials: Mapping[str, Any]) -> str:
    if key := credentials.get("api_key"):
        user, password = key, credentials["api_secret"]
    else:
        user, password = config["account_sid"], credentials["auth_token"]
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()
