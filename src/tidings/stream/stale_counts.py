"""Counts for open streams: who got something new is told, within a second or two, how many items they have now.

A mark's event carries its counts. A new or withdrawn notification cannot: counting for 1,000 people inside the fan-out would cost
more than the fan-out. So the people concerned are remembered, and once a second the counts of some of them are read in one statement.
Under a flood this falls behind, at a cost that stays the same; clients count up by themselves meanwhile.
"""

from collections.abc import Collection

import msgspec

from tidings.events.entry import LogEvent
from tidings.notifications.counts import counts_of
from tidings.platform.postgres import Database
from tidings.stream.connection import Connection
from tidings.stream.frames import frame

MOST_AT_ONCE = 200
MOST_REMEMBERED = 10_000

CHANGES_COUNTS = frozenset({"notification.created", "notification.retracted", "notification.expired"})


class StaleCounts:
    """Streams whose subscribers' counts have changed, each once, in the order of the change."""

    def __init__(self) -> None:
        self.connections: dict[Connection, None] = {}

    def note(self, event: LogEvent, audience: Collection[Connection]) -> None:
        # Connections and not their subscribers, so that no line of Python runs for each of them.
        if event.type in CHANGES_COUNTS and len(self.connections) < MOST_REMEMBERED:
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
        async with database.system.acquire() as connection:
            counts = await counts_of(connection, some)
        # Without an id: a client that saw only these has seen no event.
        return {subscriber: frame("inbox.counts", msgspec.json.encode(one).decode(), None) for subscriber, one in counts.items()}
