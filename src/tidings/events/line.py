"""Appending to a shard's stream: many entries in one write.

redis-py's pipeline costs 21–27 µs of CPU an entry here, commands encoded beforehand and their answers read one after another 2–4 µs.

Entries that come together go in as one transaction, so that who waits for the stream is woken once, with all of them. Otherwise Redis
answers after the first: of a hundred notifications to a thousand streams each stream got three pieces, and so three writes.
"""

from collections.abc import Sequence
from typing import Any

from redis.exceptions import ResponseError

from tidings.events.entry import LogEvent, pack
from tidings.events.live import FIELD, append_live, passed_in
from tidings.events.wire import Wire, command, is_redirection, words

PATIENCE_S = 5.0

BEGIN = command(b"MULTI")
END = command(b"EXEC")


class Line:
    """Appends to one stream. window: entries that it keeps, about."""

    def __init__(self, redis: Any, key: str, window: int) -> None:
        self.wire = Wire(redis, key)
        self.window = window

    async def append(self, events: Sequence[LogEvent], create: bool = False) -> int:
        """As `append_live` does, whose words hold here too."""
        wire = self.wire
        await wire.drop_if_spoilt()
        answers = await self.exchange(events, create)
        if any(map(is_redirection, answers)):
            await wire.close()
            # What was appended already is refused by its id.
            return await append_live(wire.redis, wire.key, events, self.window, create)
        try:
            return passed_in(wire.key, answers)
        except ResponseError:
            # As of a primary that was demoted: the next connection may lead to its successor.
            await wire.close()
            raise

    async def exchange(self, events: Sequence[LogEvent], create: bool) -> list[Any]:
        """What Redis says to each."""
        appending = commands(self.wire.key, events, self.window, create)
        if len(events) == 1:
            return await self.wire.exchange(appending, 1, PATIENCE_S)
        *queued, executed = await self.wire.exchange(BEGIN + appending + END, len(events) + 2, PATIENCE_S)
        # Where nothing was executed, what was wrong was said when it was queued.
        return executed if isinstance(executed, list) else [*queued, executed]

    async def close(self) -> None:
        await self.wire.close()


def commands(key: str, events: Sequence[LogEvent], window: int, create: bool) -> bytes:
    """An XADD for each event, as they go over the wire; the last one trims for all."""
    start = words(b"XADD", key.encode()) + (b"" if create else words(b"NOMKSTREAM"))
    fields = words(FIELD)
    count = 5 if create else 6
    plain = b"*%d\r\n%s" % (count, start)
    trimming = b"*%d\r\n%s%s" % (count + 3, start, words(b"MAXLEN", b"~", b"%d" % window))
    last = events[-1] if events else None
    parts = []
    for event in events:
        entry, identity = pack(event), b"%d-0" % event.position
        head = trimming if event is last else plain
        parts.append(b"%s$%d\r\n%s\r\n%s$%d\r\n%s\r\n" % (head, len(identity), identity, fields, len(entry), entry))
    return b"".join(parts)
