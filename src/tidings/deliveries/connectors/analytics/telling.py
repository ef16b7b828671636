"""From deliveries to facts and back: what may be told goes to `send_facts`, and each delivery gets its own outcome."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated

import asyncpg
import msgspec
from msgspec import Meta

from tidings.deliveries.connectors.analytics.consent import consenting
from tidings.deliveries.connectors.analytics.fact import Fact, fact_of
from tidings.deliveries.connectors.connector import Destination, Reach
from tidings.deliveries.ledger.claim import Claimed
from tidings.deliveries.ledger.outcome import Outcome

# Services forget what they have seen: Segment after 24 h at the least. All attempts lie within that, with their jitter of 20 %.
SCHEDULE = (5, 60, 300, 1800, 7200, 18_000, 36_000)

SendFacts = Callable[[Sequence[Fact]], Awaitable[Mapping[str, Outcome]]]


class AnalyticsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """prefix: before the name of each event.   consent_attribute: of a person only what they agreed to is told: this attribute is true."""

    prefix: Annotated[str, Meta(max_length=64, pattern=r"^[^\x00-\x1f\x7f]*\Z", examples=["Tidings: "])] = ""
    consent_attribute: Annotated[str, Meta(min_length=1, max_length=255, examples=["analytics_consent"])] | None = None


async def tell(
    reach: Reach, destination: Destination, deliveries: Sequence[Claimed], config: AnalyticsConfig, send_facts: SendFacts
) -> list[Outcome]:
    """send_facts: answers an outcome for the id of each fact that it gets, and is not called for none."""
    found = {delivery.id: fact_of(delivery, destination.key, config.prefix) for delivery in deliveries}
    facts = [one for one in found.values() if isinstance(one, Fact)]
    outcomes = {identity: one for identity, one in found.items() if isinstance(one, Outcome)}
    if config.consent_attribute is not None:
        agreed = await those_agreed(reach.pool, destination.project, facts, config.consent_attribute)
        outcomes |= {fact.id: no_consent(config.consent_attribute) for fact in facts if fact not in agreed}
        facts = agreed
    if facts:
        outcomes |= await send_facts(facts)
    return [outcomes[delivery.id] for delivery in deliveries]


async def those_agreed(pool: asyncpg.Pool, project: int, facts: Sequence[Fact], attribute: str) -> list[Fact]:
    """What is of nobody needs nobody's consent."""
    people = await consenting(pool, project, (fact.person for fact in facts if fact.person is not None), attribute)
    return [fact for fact in facts if fact.person is None or fact.person in people]


def no_consent(attribute: str) -> Outcome:
    return Outcome(kind="refused", reason="no_consent", detail=f"The attribute {attribute} of the person is not true.")
