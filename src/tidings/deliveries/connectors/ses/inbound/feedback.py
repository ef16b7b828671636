"""What SES says became of a letter, as far as it means that no further one should go there.

https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html; events of a configuration set name the kind otherwise.
"""

from typing import NamedTuple

import msgspec

from tidings.deliveries.suppressions.structs import Reason


class Recipient(msgspec.Struct, frozen=True, rename="camel"):
    email_address: str


class Bounce(msgspec.Struct, frozen=True, rename="camel"):
    bounce_type: str = ""
    bounced_recipients: list[Recipient] = []


class Complaint(msgspec.Struct, frozen=True, rename="camel"):
    complained_recipients: list[Recipient] = []
    complaint_feedback_type: str | None = None


class Feedback(msgspec.Struct, frozen=True, rename="camel"):
    notification_type: str | None = None
    event_type: str | None = None
    bounce: Bounce | None = None
    complaint: Complaint | None = None


class Unreachable(NamedTuple):
    addresses: list[str]
    reason: Reason


def unreachable(message: str) -> Unreachable | None:
    """None for everything else: deliveries, bounces that pass (a full mailbox), what is no JSON."""
    try:
        feedback = msgspec.json.decode(message, type=Feedback)
    except msgspec.MsgspecError:
        return None
    kind = feedback.notification_type or feedback.event_type
    if kind == "Bounce" and feedback.bounce and feedback.bounce.bounce_type == "Permanent":
        return Unreachable(addresses(feedback.bounce.bounced_recipients), "bounced")
    # "not-spam": somebody took it out of the junk folder.
    if kind == "Complaint" and feedback.complaint and feedback.complaint.complaint_feedback_type != "not-spam":
        return Unreachable(addresses(feedback.complaint.complained_recipients), "complained")
    return None


def addresses(recipients: list[Recipient]) -> list[str]:
    """Some mail systems report them with a name: `Alice <alice@example.com>`."""
    return [recipient.email_address.rpartition("<")[2].rstrip("> ") for recipient in recipients]
