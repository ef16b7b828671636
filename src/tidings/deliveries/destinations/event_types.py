"""What endpoints, and integrations of the channel `analytics`, can ask for: a type of event, a family as in `inbox.*`, or everything.

Which events a pattern finds is said in `ledger/wanted.py`; here it is held against what exists, so that a typing error is told at once.
"""

from collections.abc import Iterable

from tidings.deliveries.destinations.kinds import ENDPOINT, INTEGRATION
from tidings.errors import Invalid

TYPES = (
    *("notification.created", "notification.retracted", "notification.expired", "notification.fanned_out"),
    *("inbox.seen", "inbox.read", "inbox.unread", "inbox.archived", "inbox.unarchived", "inbox.clicked"),
    *("subscriber.updated", "subscriber.deleted", "subscriber.tokens_revoked"),
    *("topic.members", "topic.deleted"),
    *("service_level.missed", "service_level.met"),
    *("delivery.delivered", "delivery.dead", "delivery.resent", "delivery.cancelled"),
    *(
        f"{kind.name}.{what}"
        for kind in (ENDPOINT, INTEGRATION)
        for what in ("created", "updated", "failing", "disabled", "enabled", "deleted")
    ),
)
EVERYTHING = "*"
FAMILIES = tuple(dict.fromkeys(name.partition(".")[0] + ".*" for name in TYPES))
KNOWN = frozenset((*TYPES, *FAMILIES, EVERYTHING))


def checked_events(wanted: Iterable[str]) -> list[str]:
    """Each of them once. Raises Invalid, naming what exists."""
    events = list(dict.fromkeys(wanted))
    for index, event in enumerate(events):
        if event not in KNOWN:
            raise Invalid(
                f"There are no events {event!r}. There are: {', '.join(TYPES)}; {', '.join(FAMILIES)} and * for several.",
                field=f"events[{index}]",
            )
    return events
