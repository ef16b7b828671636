"""Events for a web stream of Google Analytics 4."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from tidings.deliveries.connectors.analytics.fact import NAMES, Fact
from tidings.deliveries.connectors.analytics.telling import AnalyticsConfig, tell
from tidings.deliveries.connectors.answered import unanswered
from tidings.deliveries.connectors.connector import Destination, Reach
from tidings.deliveries.connectors.google_analytics.answer import TOO_OLD, meaning_of
from tidings.deliveries.connectors.google_analytics.message import LONGEST_NAME, OLDEST, body_of, collect_url, groups_of, name_of
from tidings.deliveries.ledger.channels import Channel
from tidings.deliveries.ledger.claim import Claimed
from tidings.deliveries.ledger.outcome import Outcome
from tidings.errors import Invalid
from tidings.outbound.client import Outbound
from tidings.outbound.errors import OutboundFailed
from tidings.outbound.networks import Policy

BASES = {"global": "https://www.google-analytics.com", "eu": "https://region1.google-analytics.com"}
# Within the 72 hours that Google looks back.
SCHEDULE = (5, 300, 1800, 7200, 18_000, 36_000)
RESERVED = ("firebase_", "ga_", "google_", "gtag_")
LONGEST_PREFIX = LONGEST_NAME - max(len(name) for name in NAMES.values())


class GoogleAnalyticsConfig(AnalyticsConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """region: `eu` for data that is to be collected in the European Union."""

    measurement_id: Annotated[str, Meta(pattern=r"^G-[A-Z0-9]{4,20}\Z", examples=["G-1A2B3C4D5E"])]
    region: Literal["global", "eu"] = "global"


class GoogleAnalyticsCredentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    api_secret: Annotated[str, Meta(min_length=1, max_length=255)]


class GoogleAnalytics:
    name = "google_analytics"
    channel: Channel = "analytics"
    schedule = SCHEDULE
    # What comes twice is counted twice.
    repeats = False
    most_together = 100
    config = GoogleAnalyticsConfig
    credentials = GoogleAnalyticsCredentials

    def check(self, config: Any, credentials: Any, policy: Policy) -> None:
        if not config.prefix:
            return
        if len(config.prefix) > LONGEST_PREFIX:
            raise Invalid(f"Names have {LONGEST_NAME} characters at most, so the prefix has {LONGEST_PREFIX}.", field="config.prefix")
        begun = name_of(config.prefix + next(iter(NAMES.values())))
        if not begun[0].isalpha() or begun.startswith(RESERVED):
            raise Invalid(f"Names begin with a letter, and not with one of {', '.join(RESERVED)}.", field="config.prefix")

    async def send(self, reach: Reach, destination: Destination, deliveries: Sequence[Claimed]) -> list[Outcome]:
        config = msgspec.convert(destination.config, GoogleAnalyticsConfig)
        api_secret = msgspec.convert(destination.secrets, GoogleAnalyticsCredentials).api_secret
        url = collect_url(BASES[config.region], config.measurement_id, api_secret)

        async def send_facts(facts: Sequence[Fact]) -> Mapping[str, Outcome]:
            oldest = datetime.now(UTC) - OLDEST
            groups = list(groups_of(fact for fact in facts if fact.at >= oldest))
            outcomes = await asyncio.gather(*(post(reach.outbound, url, body_of(group, destination.project_key)) for group in groups))
            told = {fact.id: outcome for group, outcome in zip(groups, outcomes, strict=True) for fact in group}
            return {fact.id: TOO_OLD for fact in facts} | told

        return await tell(reach, destination, deliveries, config, send_facts)


async def post(outbound: Outbound, url: str, body: bytes) -> Outcome:
    try:
        answer = await outbound.request("POST", url, headers={"content-type": "application/json"}, body=body)
    except OutboundFailed as error:
        return unanswered(error)
    return meaning_of(answer, datetime.now(UTC))
