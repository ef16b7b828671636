"""One attempt of a webhook."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tidings import __version__
from tidings.deliveries.connectors.connector import Destination, Reach
from tidings.deliveries.connectors.webhook.answer import outcome_of, outcome_of_failure
from tidings.deliveries.connectors.webhook.members import WebhookConfig, WebhookCredentials
from tidings.deliveries.connectors.webhook.message import body_of
from tidings.deliveries.connectors.webhook.signing import signature_header
from tidings.deliveries.ledger.channels import Channel
from tidings.deliveries.ledger.claim import Claimed
from tidings.deliveries.ledger.outcome import Outcome
from tidings.errors import Invalid
from tidings.outbound.client import Outbound
from tidings.outbound.errors import Blocked, OutboundFailed
from tidings.outbound.networks import Policy
from tidings.outbound.urls import check_url

# The specification's example: ten attempts over 75 h and a half.
SCHEDULE = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
MOST_BYTES = 256 * 1024
TIMEOUT_S = 15.0


class Webhook:
    name = "webhook"
    channel: Channel = "webhook"
    schedule = SCHEDULE
    repeats = True
    most_together = 1
    config = WebhookConfig
    credentials = WebhookCredentials

    def check(self, config: Any, credentials: Any, policy: Policy) -> None:
        """Endpoints have a door of their own, which checks more (`destinations/endpoints.py`)."""
        try:
            check_url(config.url, policy)
        except Blocked as error:
            raise Invalid(error.detail, field="config.url") from None

    async def send(self, reach: Reach, destination: Destination, deliveries: Sequence[Claimed]) -> list[Outcome]:
        return [await self.attempt(reach, destination, delivery) for delivery in deliveries]

    async def attempt(self, reach: Reach, destination: Destination, delivery: Claimed) -> Outcome:
        if delivery.data is None:
            return Outcome(kind="refused", reason="expired", detail="The event is older than what the log retains.")
        body = body_of(delivery)
        if len(body) > MOST_BYTES:
            return Outcome(kind="refused", reason="too_large", detail=f"The message is {len(body)} bytes; at most {MOST_BYTES} are sent.")
        return await post(reach.outbound, destination, delivery.id, body, datetime.now(UTC), delivery.trace)


async def post(
    outbound: Outbound, destination: Destination, identity: str, body: bytes, now: datetime, trace: str | None = None
) -> Outcome:
    """identity: `webhook-id`, the same in each attempt, by which a receiver knows what it has seen.   trace: `traceparent`."""
    headers = {**destination.secrets.get("headers", {}), **headers_of(destination, identity, body, now)}
    if trace is not None:
        headers["traceparent"] = trace
    try:
        answer = await outbound.request("POST", destination.config["url"], headers=headers, body=body, timeout_s=TIMEOUT_S, repeatable=True)
    except OutboundFailed as error:
        return outcome_of_failure(error)
    return outcome_of(answer, datetime.now(UTC))


def headers_of(destination: Destination, identity: str, body: bytes, now: datetime) -> dict[str, str]:
    timestamp_s = int(now.timestamp())
    return {
        "content-type": "application/json",
        "user-agent": f"Tidings/{__version__}",
        "webhook-id": identity,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": signature_header(valid_keys(destination.secrets["signing"], now), identity, timestamp_s, body),
    }


def valid_keys(signing: Iterable[Mapping[str, Any]], now: datetime) -> list[str]:
    """The newest first, then those that a rotation lets count a while longer."""
    return [one["key"] for one in signing if one["until"] is None or datetime.fromisoformat(one["until"]) > now]
