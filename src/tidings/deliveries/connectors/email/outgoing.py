"""What is to leave for a delivery, or why nothing does: the same for every way that mail goes."""

from datetime import UTC, datetime

import msgspec

from tidings.deliveries.connectors.connector import Destination, Reach
from tidings.deliveries.connectors.email.address import Mailbox, mailbox
from tidings.deliveries.connectors.email.config import EmailConfig
from tidings.deliveries.connectors.email.letter import letter_of
from tidings.deliveries.connectors.email.message import message_of
from tidings.deliveries.connectors.notified import read_notification
from tidings.deliveries.ledger.claim import Claimed
from tidings.deliveries.ledger.outcome import Outcome
from tidings.deliveries.suppressions.store import suppressed
from tidings.deliveries.suppressions.structs import Reason
from tidings.deliveries.suppressions.token import Unsubscriber, token_of

# The first that applies is told.
WHY_SUPPRESSED: dict[Reason, str] = {
    "complained": "Whoever has this address reported an earlier message as spam.",
    "bounced": "This address bounced an earlier message for good.",
    "unsubscribed": "They unsubscribed from e-mail.",
}


class Outgoing(msgspec.Struct, frozen=True):
    """message: as DATA takes it, in ASCII unless the address is not."""

    sender: Mailbox
    to: Mailbox
    message: bytes


async def outgoing(reach: Reach, destination: Destination, delivery: Claimed, config: EmailConfig) -> Outgoing | Outcome:
    notification = read_notification(delivery, datetime.now(UTC))
    if isinstance(notification, Outcome):
        return notification
    if not delivery.email:
        return refused("no_address", "The subscriber has no e-mail address any more.")
    try:
        to = mailbox(delivery.email)
    except ValueError as error:
        return refused("bad_address", f"The subscriber's e-mail address cannot be written to: {error}.")
    if why := await why_suppressed(reach, delivery, config):
        return refused("suppressed", why)
    letter = letter_of(notification, config, delivery.locale, unsubscribe_url(reach.base_url, delivery, config))
    return Outgoing(mailbox(config.sender), to, message_of(delivery, config, destination.project_key, to, letter))


async def why_suppressed(reach: Reach, delivery: Claimed, config: EmailConfig) -> str | None:
    """Letters that nobody may refuse still stay away from addresses that bounce or complained: they would spoil the sender's name."""
    assert delivery.email is not None
    found = await suppressed(reach.pool, delivery.project, "email", delivery.subscriber, delivery.email)
    if config.unsubscribe is False:
        found.discard("unsubscribed")
    return next((sentence for reason, sentence in WHY_SUPPRESSED.items() if reason in found), None)


def unsubscribe_url(base_url: str, delivery: Claimed, config: EmailConfig) -> str | None:
    is_offered = base_url.startswith("https://") if config.unsubscribe is None else config.unsubscribe
    if not is_offered or delivery.subscriber is None:
        return None
    return f"{base_url}/v1/unsubscribe/{token_of(Unsubscriber(delivery.project, delivery.subscriber, 'email'))}"


def refused(reason: str, detail: str) -> Outcome:
    return Outcome(kind="refused", reason=reason, detail=detail)
