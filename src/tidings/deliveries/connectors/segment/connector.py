"""Events for a source of Segment."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from tidings.deliveries.connectors.analytics.fact import Fact
from tidings.deliveries.connectors.analytics.parts import Message, in_parts
from tidings.deliveries.connectors.analytics.telling import SCHEDULE, AnalyticsConfig, tell
from tidings.deliveries.connectors.connector import Destination, Reach
from tidings.deliveries.connectors.segment.answer import meaning_of
from tidings.deliveries.connectors.segment.message import LIMITS, authorization, body_of, message_of
from tidings.deliveries.connectors.webhook.answer import outcome_of_failure
from tidings.deliveries.ledger.channels import Channel
from tidings.deliveries.ledger.claim import Claimed
from tidings.deliveries.ledger.outcome import Outcome
from tidings.outbound.client import Outbound
from tidings.outbound.errors import OutboundFailed
from tidings.outbound.networks import Policy

# A source belongs to a region; what comes to the other is answered with 200 and never seen.
URLS = {"us": "https://api.segment.io/v1/batch", "eu": "https://events.eu1.segmentapis.com/v1/batch"}


class SegmentConfig(AnalyticsConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    region: Literal["us", "eu"] = "us"


class SegmentCredentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    write_key: Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[\x21-\x39\x3b-\x7e]+\Z")]


class Segment:
    name = "segment"
    channel: Channel = "analytics"
    schedule = SCHEDULE
    repeats = True
    most_together = LIMITS.most
    config = SegmentConfig
    credentials = SegmentCredentials

    def check(self, config: Any, credentials: Any, policy: Policy) -> None:
        """The types say it all."""

    async def send(self, reach: Reach, destination: Destination, deliveries: Sequence[Claimed]) -> list[Outcome]:
        config = msgspec.convert(destination.config, SegmentConfig)
        write_key = msgspec.convert(destination.secrets, SegmentCredentials).write_key

        async def send_facts(facts: Sequence[Fact]) -> Mapping[str, Outcome]:
            async def request(messages: Sequence[Message]) -> Outcome:
                return await post(reach.outbound, URLS[config.region], write_key, messages)

            return await in_parts([message_of(fact, destination.project_key) for fact in facts], LIMITS, request)

        return await tell(reach, destination, deliveries, config, send_facts)


async def post(outbound: Outbound, url: str, write_key: str, messages: Sequence[Message]) -> Outcome:
    headers = {"content-type": "application/json", "authorization": authorization(write_key)}
    try:
        answer = await outbound.request("POST", url, headers=headers, body=body_of(messages), repeatable=True)
    except OutboundFailed as error:
        return outcome_of_failure(error)
    return meaning_of(answer, datetime.now(UTC))
