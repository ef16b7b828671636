"""Counts for open streams: who got something new is told, within a second or two, how many items they have now.

A mark's event carries its counts. A new or withdrawn notification cannot: counting for 1,000 people inside the fan-out would cost
more than the fan-out. So the people concerned are remembered, and once a second the counts of some of them are read in one statement.
Under a flood this falls behind, at a cost that stays the same; clients count up by themselves meanwhile.

A large audience's inboxes are written after the event: its counts are read when the last of them is. A long poll reads its own when it
answers, by the same rule (poll.py).
"""

from collections.abc import Collection, Sequence

import msgspec

from tidings.events.entry import LogEvent
from tidings.notifications.counts import counts_of
from tidings.notifications.structs import Counts
from tidings.platform.postgres import Database
from tidings.stream.connection import Connection
from tidings.stream.frames import SETTLED, SETTLES, frame
from tidings.stream.window import Kept

MOST_AT_ONCE = 200
MOST_REMEMBERED = 10_000

CHANGES_COUNTS = frozenset({"notification.created", "notification.retracted", "notification.expired"}) | SETTLES


def knows_its_counts(event: LogEvent | Kept, frame: bytes) -> bool:
    """Whether counts read from now on tell what it did. Those of a large audience do when it is settled."""
    return frame is SETTLED or not (event.topics or event.everyone)


class StaleCounts:
    """Streams whose subscribers' counts have changed, each once, in the order of the change."""

    def __init__(self) -> None:
        self.connections: dict[Connection, None] = {}

    def note(self, event: LogEvent, frame: bytes, audience: Collection[Connection]) -> None:
        # Connections and not their subscribers, so that no line of Python runs for each of them.
        if event.type in CHANGES_COUNTS and knows_its_counts(event, frame) and len(self.connections) < MOST_REMEMBERED:
            self.connections.update(dict.fromkeys(audience))

    async def take(self, database: Database) -> dict[int, bytes]:
        """What to tell the next few, by subscriber."""
        if not self.connections:
            return {}
        chosen = list(self.connections)[:MOST_AT_ONCE]
        for one in chosen:
            del self.connections[one]
        some = list({one.subscriber for one in chosen if one.is_open})
        if not some:
            return {}
        counts = await load_counts(database, some)
        # Without an id: a client that saw only these has seen no event.
        return {subscriber: frame("inbox.counts", msgspec.json.encode(one).decode(), None) for subscriber, one in counts.items()}


async def load_counts(database: Database, subscribers: Sequence[int]) -> dict[int, Counts]:
    async with database.system.acquire() as connection:
        return await counts_of(connection, subscribers)
