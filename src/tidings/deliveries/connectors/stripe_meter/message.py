"""A meter event, and the question what a meter shows.

https://docs.stripe.com/api/billing/meter-event/create, https://docs.stripe.com/api/billing/meter-event-summary/list
"""

from datetime import datetime
from urllib.parse import urlencode

import msgspec

from tidings.deliveries.connectors.webhook.message import recipients_of
from tidings.deliveries.ledger.claim import Claimed
from tidings.deliveries.ledger.outcome import Outcome

METERED = "notification.created"

EXPIRED = Outcome(kind="refused", reason="expired", detail="The event is older than what the log retains.")
NOT_METERED = Outcome(kind="refused", reason="not_metered", detail=f"What is metered is {METERED}, by its recipients, and nothing else.")


class Usage(msgspec.Struct, frozen=True):
    """id: of the delivery, by which Stripe knows the event.   value: recipients.   at: when the notification was accepted."""

    id: str
    value: int
    at: datetime


def usage_of(delivery: Claimed) -> Usage | Outcome:
    """What is to be metered, or why nothing is."""
    if delivery.type != METERED:
        return NOT_METERED
    if delivery.data is None:
        return EXPIRED
    recipients = recipients_of(delivery)
    if recipients is None:
        return Outcome(kind="refused", reason="not_counted", detail="The event does not say how many people it is for.")
    return Usage(delivery.id, recipients, delivery.accepted_at)


def form_of(usage: Usage, event_name: str, customer: str, customer_key: str, value_key: str) -> bytes:
    """customer_key, value_key: as the meter names them."""
    fields = {
        "event_name": event_name,
        f"payload[{customer_key}]": customer,
        f"payload[{value_key}]": str(usage.value),
        "identifier": usage.id,
        "timestamp": str(int(usage.at.timestamp())),
    }
    return urlencode(fields).encode()


def minute_of(at: datetime) -> tuple[int, int]:
    """Its beginning and end; Stripe sums up whole minutes, without the end."""
    start = int(at.timestamp()) // 60 * 60
    return start, start + 60


def summary_path(meter: str, customer: str, at: datetime) -> str:
    start, end = minute_of(at)
    return f"/v1/billing/meters/{meter}/event_summaries?{urlencode({'customer': customer, 'start_time': start, 'end_time': end})}"
