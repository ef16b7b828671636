"""One attempt of a message through SES: SendEmail with the message as it is (https://docs.aws.amazon.com/ses/latest/APIReference-V2/)."""

import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec

from tidings.deliveries.connectors.answered import unanswered
from tidings.deliveries.connectors.connector import Destination, Reach
from tidings.deliveries.connectors.email.outgoing import Outgoing, outgoing, refused
from tidings.deliveries.connectors.ses.answer import outcome_of
from tidings.deliveries.connectors.ses.config import SesConfig, SesCredentials, check_ses
from tidings.deliveries.connectors.ses.signing import signed_headers
from tidings.deliveries.ledger.channels import Channel
from tidings.deliveries.ledger.claim import Claimed
from tidings.deliveries.ledger.outcome import Outcome
from tidings.outbound.errors import OutboundFailed
from tidings.outbound.networks import Policy

# Ten attempts over a day and two hours.
SCHEDULE = (60, 300, 900, 1800, 3600, 7200, 14_400, 28_800, 36_000)
PATH = "/v2/email/outbound-emails"
SERVICE = "ses"
# By which a delivery is found from an event of SES.
TAG = "tidings-delivery"
TIMEOUT_S = 20.0


class Ses:
    name = "ses"
    channel: Channel = "email"
    schedule = SCHEDULE
    # SES takes no key by which it would know a repetition, and puts a Message-ID of its own in place of ours.
    repeats = False
    most_together = 1
    config = SesConfig
    credentials = SesCredentials

    def check(self, config: Any, credentials: Any, policy: Policy) -> None:
        check_ses(config, policy)

    async def send(self, reach: Reach, destination: Destination, deliveries: Sequence[Claimed]) -> list[Outcome]:
        return [await self.attempt(reach, destination, delivery) for delivery in deliveries]

    async def attempt(self, reach: Reach, destination: Destination, delivery: Claimed) -> Outcome:
        config = msgspec.convert(destination.config, SesConfig)
        mail = await outgoing(reach, destination, delivery, config)
        if isinstance(mail, Outcome):
            return mail
        if not mail.to.is_ascii:
            return refused("smtputf8_unsupported", "The address has letters beyond ASCII before the @, which SES does not send to.")
        keys = msgspec.convert(destination.secrets, SesCredentials)
        body = msgspec.json.encode(request_of(mail, delivery.id, config))
        headers = headers_of(config, keys, body, datetime.now(UTC))
        try:
            answer = await reach.outbound.request(
                "POST", config.base_url + PATH, headers=headers, body=body, timeout_s=TIMEOUT_S, repeatable=False
            )
        except OutboundFailed as error:
            return unanswered(error)
        return outcome_of(answer, datetime.now(UTC))


def request_of(mail: Outgoing, delivery: str, config: SesConfig) -> dict[str, Any]:
    request: dict[str, Any] = {
        "FromEmailAddress": mail.sender.address,
        "Destination": {"ToAddresses": [mail.to.address]},
        "Content": {"Raw": {"Data": base64.b64encode(mail.message).decode()}},
        "EmailTags": [{"Name": TAG, "Value": delivery}],
    }
    return request | ({"ConfigurationSetName": config.configuration_set} if config.configuration_set else {})


def headers_of(config: SesConfig, keys: SesCredentials, body: bytes, now: datetime) -> dict[str, str]:
    parts = urlsplit(config.base_url)
    headers = signed_headers(
        "POST",
        parts.path + PATH,
        {"host": parts.netloc, "content-type": "application/json"},
        body,
        keys=keys,
        region=config.region,
        service=SERVICE,
        now=now,
    )
    # Sent by the client, the same.
    del headers["host"]
    return headers
