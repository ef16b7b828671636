"""When a notification was first handed to an open stream, and to how many: a line of its timeline.

Best effort by design: noted in memory, written once a second, at most 500 notifications a time.
"""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec

from tidings.events.entry import LogEvent
from tidings.platform.postgres import Database

MOST = 500

SAVE = """
INSERT INTO streamed (notification, project, first_at, streams)
SELECT * FROM unnest($1::uuid[], $2::int[], $3::timestamptz[], $4::bigint[]) AS new (notification, project, first_at, streams)
ORDER BY notification
ON CONFLICT (notification) DO UPDATE
    SET streams = streamed.streams + excluded.streams, first_at = least(streamed.first_at, excluded.first_at)
"""


class HandOver(msgspec.Struct):
    project: int
    first_at: float
    streams: int


class Streamed:
    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.noted: dict[str, HandOver] = {}

    @property
    def has_room(self) -> bool:
        return len(self.noted) < MOST

    def note(self, events: Sequence[LogEvent], streams: int) -> None:
        for event in events:
            if event.type == "notification.created" and event.notification is not None and event.notification not in self.noted:
                self.noted[event.notification] = HandOver(event.project, self.clock(), streams)

    async def flush(self, database: Database) -> None:
        if not self.noted:
            return
        noted, self.noted = self.noted, {}
        await database.system.execute(
            SAVE,
            list(noted),
            [hand_over.project for hand_over in noted.values()],
            [datetime.fromtimestamp(hand_over.first_at, UTC) for hand_over in noted.values()],
            [hand_over.streams for hand_over in noted.values()],
        )
