"""One meter event for each notification: as many as it has recipients."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from tidings.deliveries.connectors.analytics.telling import SCHEDULE
from tidings.deliveries.connectors.connector import Destination, Reach
from tidings.deliveries.connectors.stripe_meter.answer import meaning_of, total_of
from tidings.deliveries.connectors.stripe_meter.doubt import TO_DECIDE, earlier_attempts, idempotency_key, standing_of
from tidings.deliveries.connectors.stripe_meter.message import Usage, form_of, summary_path, usage_of
from tidings.deliveries.connectors.webhook.answer import outcome_of_failure
from tidings.deliveries.ledger.channels import Channel
from tidings.deliveries.ledger.claim import Claimed
from tidings.deliveries.ledger.outcome import Outcome
from tidings.errors import Invalid
from tidings.outbound.client import Outbound
from tidings.outbound.errors import OutboundFailed
from tidings.outbound.networks import Policy

BASE = "https://api.stripe.com"
# What the requests and answers are written for; an account's own version may be any.
VERSION = "2025-04-30.basil"

METERED = Outcome(kind="delivered", reason="known", detail="An earlier attempt has metered it; it is not billed again.")

Key = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9_.-]+\Z")]


class StripeMeterConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """customer: who pays for this project.   customer_key, value_key: as the meter names them.

    meter: its id, for looking what it shows when it is not known whether an event arrived.
    """

    event_name: Annotated[str, Meta(min_length=1, max_length=100, examples=["notifications_sent"])]
    customer: Annotated[str, Meta(pattern=r"^cus_[A-Za-z0-9]{1,250}\Z", examples=["cus_NciAYcXfLnqBoz"])]
    customer_key: Key = "stripe_customer_id"
    value_key: Key = "value"
    meter: Annotated[str, Meta(pattern=r"^mtr_[A-Za-z0-9_]{1,250}\Z")] | None = None


class StripeMeterCredentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """key: a restricted one (`rk_…`) that may write meter events, and read meters where one is named.

    It must be allowed to write payment links too where these are asked for.
    """

    key: Annotated[str, Meta(min_length=8, max_length=255, pattern=r"^[\x21-\x7e]+\Z")]


class StripeMeter:
    name = "stripe_meter"
    channel: Channel = "analytics"
    schedule = SCHEDULE
    repeats = True
    most_together = 1
    config = StripeMeterConfig
    credentials = StripeMeterCredentials

    def check(self, config: Any, credentials: Any, policy: Policy) -> None:
        if not credentials.key.startswith("rk_"):
            raise Invalid("Use a restricted key, rk_…, that may write meter events: any other may move money.", field="credentials.key")

    async def send(self, reach: Reach, destination: Destination, deliveries: Sequence[Claimed]) -> list[Outcome]:
        config = msgspec.convert(destination.config, StripeMeterConfig)
        key = msgspec.convert(destination.secrets, StripeMeterCredentials).key
        return [await attempt(reach, config, key, delivery, datetime.now(UTC)) for delivery in deliveries]


async def attempt(reach: Reach, config: StripeMeterConfig, key: str, delivery: Claimed, now: datetime) -> Outcome:
    usage = usage_of(delivery)
    if isinstance(usage, Outcome):
        return usage
    earlier = await earlier_attempts(reach.pool, delivery.id, delivery.number)
    standing = standing_of(earlier, now)
    if standing == "metered":
        return METERED
    if standing == "to_decide":
        return Outcome(kind="unknown", reason=TO_DECIDE, detail=await words_of_doubt(reach.outbound, config, key, usage))
    return await post(reach.outbound, config, key, usage, idempotency_key(delivery.id, earlier))


async def post(outbound: Outbound, config: StripeMeterConfig, key: str, usage: Usage, once: str) -> Outcome:
    headers = headers_of(key) | {"content-type": "application/x-www-form-urlencoded", "idempotency-key": once}
    body = form_of(usage, config.event_name, config.customer, config.customer_key, config.value_key)
    try:
        answer = await outbound.request("POST", f"{BASE}/v1/billing/meter_events", headers=headers, body=body, repeatable=True)
    except OutboundFailed as error:
        return outcome_of_failure(error)
    return meaning_of(answer, datetime.now(UTC))


def headers_of(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}", "stripe-version": VERSION}


async def words_of_doubt(outbound: Outbound, config: StripeMeterConfig, key: str, usage: Usage) -> str:
    """What whoever decides has to know. The meter adds up all of the customer's events of the minute, so it proves only their absence."""
    doubt = "An attempt more than a day ago may have arrived, and Stripe need not know it any more: sent again, it may be billed twice."
    if config.meter is None:
        return f"{doubt} Look at the customer's meter, then resend it or let it be."
    total = await metered(outbound, config.meter, config.customer, key, usage)
    if total is None:
        return f"{doubt} What the meter shows could not be read."
    advice = "so it has not arrived: resend it." if total < usage.value else "which this one may be part of."
    return f"{doubt} In its minute ({usage.at:%Y-%m-%d %H:%M} UTC) the meter shows {total:g}, and this one is of {usage.value}, {advice}"


async def metered(outbound: Outbound, meter: str, customer: str, key: str, usage: Usage) -> float | None:
    try:
        answer = await outbound.request("GET", BASE + summary_path(meter, customer, usage.at), headers=headers_of(key))
    except OutboundFailed:
        return None
    return total_of(answer)
