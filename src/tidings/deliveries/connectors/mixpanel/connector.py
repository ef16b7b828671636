"""Events for a project of Mixpanel."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from tidings.deliveries.connectors.analytics.fact import Fact
from tidings.deliveries.connectors.analytics.parts import Message, parts, too_large
from tidings.deliveries.connectors.analytics.telling import SCHEDULE, AnalyticsConfig, tell
from tidings.deliveries.connectors.connector import Destination, Reach
from tidings.deliveries.connectors.mixpanel.answer import meanings_of
from tidings.deliveries.connectors.mixpanel.message import LIMITS, authorization, body_of, message_of
from tidings.deliveries.connectors.webhook.answer import outcome_of_failure
from tidings.deliveries.ledger.channels import Channel
from tidings.deliveries.ledger.claim import Claimed
from tidings.deliveries.ledger.outcome import Outcome
from tidings.errors import Invalid
from tidings.outbound.client import Outbound
from tidings.outbound.errors import OutboundFailed
from tidings.outbound.networks import Policy

# Where the project's data lives.
URLS = {
    "us": "https://api.mixpanel.com/import",
    "eu": "https://api-eu.mixpanel.com/import",
    "in": "https://api-in.mixpanel.com/import",
}
# An answer names each event that it refuses, with a sentence: some 200 bytes for each of 2,000.
ANSWER_BYTES = 1024 * 1024

Secret = Annotated[str, Meta(min_length=1, max_length=255)]


class MixpanelConfig(AnalyticsConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """project_id: needed with a service account."""

    region: Literal["us", "eu", "in"] = "us"
    project_id: Annotated[str, Meta(pattern=r"^[0-9]{1,20}\Z", examples=["2195193"])] | None = None


class MixpanelCredentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Either the project's token, or the name and secret of a service account."""

    token: Secret | None = None
    username: Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[^:]+\Z")] | None = None
    secret: Secret | None = None


class Mixpanel:
    name = "mixpanel"
    channel: Channel = "analytics"
    schedule = SCHEDULE
    repeats = True
    most_together = LIMITS.most
    config = MixpanelConfig
    credentials = MixpanelCredentials

    def check(self, config: Any, credentials: Any, policy: Policy) -> None:
        has_account = credentials.username is not None and credentials.secret is not None
        has_part = credentials.username is not None or credentials.secret is not None
        if (credentials.token is not None) == has_account or (has_part and not has_account):
            raise Invalid("Name the project's token, or username and secret of a service account.", field="credentials")
        if has_account and config.project_id is None:
            raise Invalid("A service account needs the id of the project.", field="config.project_id")

    async def send(self, reach: Reach, destination: Destination, deliveries: Sequence[Claimed]) -> list[Outcome]:
        config = msgspec.convert(destination.config, MixpanelConfig)
        credentials = msgspec.convert(destination.secrets, MixpanelCredentials)

        async def send_facts(facts: Sequence[Fact]) -> Mapping[str, Outcome]:
            messages = [message_of(fact) for fact in facts]
            outcomes = {message.id: too_large(message, LIMITS) for message in messages if len(message.body) > LIMITS.most_each}
            for part in parts([message for message in messages if message.id not in outcomes], LIMITS):
                outcomes |= await post(reach.outbound, config, credentials, part)
            return outcomes

        return await tell(reach, destination, deliveries, config, send_facts)


async def post(
    outbound: Outbound, config: MixpanelConfig, credentials: MixpanelCredentials, messages: Sequence[Message]
) -> dict[str, Outcome]:
    ids = [message.id for message in messages]
    query = "?strict=1" + (f"&project_id={config.project_id}" if config.project_id else "")
    headers = {
        "content-type": "application/json",
        "authorization": authorization(credentials.token or credentials.username or "", credentials.secret or ""),
    }
    try:
        answer = await outbound.request(
            "POST", URLS[config.region] + query, headers=headers, body=body_of(messages), keep_bytes=ANSWER_BYTES, repeatable=True
        )
    except OutboundFailed as error:
        return dict.fromkeys(ids, outcome_of_failure(error))
    return meanings_of(answer, ids, datetime.now(UTC))
