"""Events for a project of PostHog."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from tidings.deliveries.connectors.analytics.fact import Fact
from tidings.deliveries.connectors.analytics.parts import Message, in_parts
from tidings.deliveries.connectors.analytics.telling import SCHEDULE, AnalyticsConfig, tell
from tidings.deliveries.connectors.connector import Destination, Reach
from tidings.deliveries.connectors.posthog.answer import meaning_of
from tidings.deliveries.connectors.posthog.message import LIMITS, body_of, message_of
from tidings.deliveries.connectors.webhook.answer import outcome_of_failure
from tidings.deliveries.ledger.channels import Channel
from tidings.deliveries.ledger.claim import Claimed
from tidings.deliveries.ledger.outcome import Outcome
from tidings.errors import Invalid
from tidings.outbound.client import Outbound
from tidings.outbound.errors import Blocked, OutboundFailed
from tidings.outbound.networks import Policy
from tidings.outbound.urls import check_url

CLOUDS = {"us": "https://us.i.posthog.com", "eu": "https://eu.i.posthog.com"}


class PosthogConfig(AnalyticsConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """host: `us` or `eu` for the clouds, or where one that is self-hosted is found."""

    host: Annotated[str, Meta(max_length=1024, examples=["eu", "https://posthog.example.com"])] = "us"


class PosthogCredentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """api_key: of the project (`phc_…`), which may write and nothing else."""

    api_key: Annotated[str, Meta(min_length=1, max_length=255)]


class Posthog:
    name = "posthog"
    channel: Channel = "analytics"
    schedule = SCHEDULE
    repeats = True
    most_together = LIMITS.most
    config = PosthogConfig
    credentials = PosthogCredentials

    def check(self, config: Any, credentials: Any, policy: Policy) -> None:
        if "?" in config.host:
            raise Invalid("The host must have no query.", field="config.host")
        if credentials.api_key.startswith("phx_"):
            raise Invalid("This is a personal key, which may read everything: use the project's, phc_….", field="credentials.api_key")
        try:
            check_url(batch_url(config.host), policy)
        except Blocked as error:
            raise Invalid(error.detail, field="config.host") from None

    async def send(self, reach: Reach, destination: Destination, deliveries: Sequence[Claimed]) -> list[Outcome]:
        config = msgspec.convert(destination.config, PosthogConfig)
        api_key = msgspec.convert(destination.secrets, PosthogCredentials).api_key

        async def send_facts(facts: Sequence[Fact]) -> Mapping[str, Outcome]:
            async def request(messages: Sequence[Message]) -> Outcome:
                return await post(reach.outbound, batch_url(config.host), body_of(api_key, messages))

            return await in_parts([message_of(fact, destination.project_key) for fact in facts], LIMITS, request)

        return await tell(reach, destination, deliveries, config, send_facts)


def batch_url(host: str) -> str:
    return CLOUDS.get(host, host).rstrip("/") + "/batch/"


async def post(outbound: Outbound, url: str, body: bytes) -> Outcome:
    try:
        answer = await outbound.request("POST", url, headers={"content-type": "application/json"}, body=body, repeatable=True)
    except OutboundFailed as error:
        return outcome_of_failure(error)
    return meaning_of(answer, datetime.now(UTC))
