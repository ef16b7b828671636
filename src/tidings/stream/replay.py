"""What a stream missed: from the hot window, else from the log in PostgreSQL, in the order of the log.

A replay pulls until it stands at its shard's position; then, without an await between, the stream goes live there. Nothing is held
back in the meantime: the window is the buffer, and a client too slow for it falls back to the log or is cut off.
"""

import asyncio
from collections.abc import Sequence
from itertools import starmap
from typing import NamedTuple

from tidings.events.entry import LogEvent
from tidings.events.log import COLUMNS, oldest_position
from tidings.platform.postgres import Database
from tidings.stream.connection import Connection
from tidings.stream.frames import frame_of, is_transient, jittered_retry, told
from tidings.stream.hub import Hub
from tidings.stream.memberships import Joining, Loaded, Membership, topics_at
from tidings.stream.shard import Shard
from tidings.stream.stale_counts import knows_its_counts

# A piece of a replay: between two pieces the client must have read, and others get their turn.
PIECE_BYTES = 256 * 1024
ROWS = 500

READ_CONCERNING = f"""
SELECT {COLUMNS} FROM events
WHERE shard = $1 AND position > $2 AND position <= $3 AND project = $4
  AND (everyone OR $5 = ANY(recipients) OR topics && $6::bigint[])
ORDER BY position LIMIT {ROWS}
"""


class TooFar(Exception):
    """The cursor cannot be resumed from; the argument is the reason that `reset` tells."""


class Piece(NamedTuple):
    """frames: (position, frame), rising.   position: everything up to it has been looked at.

    knows_its_counts: whether some of it did what counts that are read now tell.
    """

    frames: list[tuple[int, bytes]]
    position: int
    knows_its_counts: bool


class Replay:
    """For one subscriber, from `position` on. Its membership history grows with what `joining` records."""

    def __init__(
        self,
        database: Database,
        shard: Shard,
        project: int,
        subscriber: int,
        loaded: Loaded,
        joining: Joining,
        position: int,
        reading: asyncio.Semaphore,
    ) -> None:
        self.database = database
        self.shard = shard
        self.epoch = shard.epoch
        self.project = project
        self.subscriber = subscriber
        self.loaded = loaded
        self.joining = joining
        self.position = position
        self.reading = reading

    @property
    def memberships(self) -> list[Membership]:
        return self.joining.after(self.loaded)

    @property
    def is_done(self) -> bool:
        return self.position >= self.shard.position

    def start_over(self) -> None:
        """From here on, without what was missed."""
        self.epoch = self.shard.epoch
        self.position = self.shard.position

    async def check(self, replay_limit: int) -> None:
        """Raises TooFar when the way is longer than a replay may be, or the log no longer reaches back so far."""
        if self.shard.window.reaches(self.position):
            return
        behind = self.shard.position - self.position
        if behind > replay_limit:
            raise TooFar("too_far_behind")
        if await oldest_position(self.database.system, self.shard.number) > self.position + 1:
            raise TooFar("trimmed")

    async def next(self) -> Piece:
        """The next piece. Raises TooFar when history changed meanwhile."""
        if self.shard.epoch != self.epoch:
            raise TooFar("epoch")
        piece = self.from_window() if self.shard.window.reaches(self.position) else await self.from_log()
        self.position = piece.position
        return piece

    def from_window(self) -> Piece:
        window = self.shard.window
        frames: list[tuple[int, bytes]] = []
        size, counts = 0, False
        for position in window.missed(self.subscriber, self.project, self.memberships, self.position):
            entry = window.kept[position]
            frames.append((position, entry.frame))
            counts = counts or knows_its_counts(entry, entry.frame)
            size += len(entry.frame)
            if size > PIECE_BYTES:
                return Piece(frames, position, counts)
        return Piece(frames, self.shard.position, counts)

    async def from_log(self) -> Piece:
        up_to = self.shard.window.first - 1
        topics = list({topic for topic, _, _ in self.memberships})
        async with self.reading:
            rows = await self.database.system.fetch(
                READ_CONCERNING, self.shard.number, self.position, up_to, self.project, self.subscriber, topics
            )
        if self.shard.epoch != self.epoch:
            raise TooFar("epoch")
        events = [LogEvent(*row) for row in rows]
        memberships = self.memberships
        shown = [
            (event, frame)
            for event in events
            if concerns(event, self.subscriber, memberships) and not is_transient(event) and (frame := frame_of(event, self.epoch))
        ]
        frames = [(event.position, frame) for event, frame in shown]
        return Piece(frames, events[-1].position if len(events) == ROWS else up_to, any(starmap(knows_its_counts, shown)))

    @property
    def topics(self) -> tuple[int, ...]:
        return topics_at(self.memberships, self.position)


def concerns(event: LogEvent, subscriber: int, memberships: Sequence[Membership]) -> bool:
    """The plain rule; the window's index and the fan-out must agree with it."""
    if event.everyone or subscriber in (event.recipients or ()):
        return True
    return any(
        topic in (event.topics or ()) and added < event.position and (removed is None or event.position < removed)
        for topic, added, removed in memberships
    )


async def catch_up(hub: Hub, connection: Connection, replay: Replay) -> None:
    """Give the connection what it missed, then make it live. Ends early when it is gone."""
    while connection.is_open:
        if replay.is_done and replay.epoch == replay.shard.epoch:
            hub.go_live(connection, replay.topics)
            return
        try:
            piece = await replay.next()
        except TooFar as reason:
            # Memberships belong to the old history too: the client comes back and has them read again.
            connection.close_with(reset_frame(replay.shard, str(reason), retry_ms=jittered_retry()), "reset")
            return
        if not connection.is_open:
            return
        if piece.frames:
            connection.transport.write(b"".join(frame for _, frame in piece.frames))
        if replay.is_done and replay.epoch == replay.shard.epoch:
            hub.go_live(connection, replay.topics)
            return
        await asyncio.sleep(0)
        await connection.wait_drained()


def reset_frame(shard: Shard, reason: str, retry_ms: int | None = None) -> bytes:
    """Tells the client to read its inbox afresh; the stream goes on from here."""
    return told("reset", {"reason": reason, "cursor": str(shard.cursor)}, shard.cursor, retry_ms)
