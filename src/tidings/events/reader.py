"""Waiting at the end of a shard's stream."""

from collections.abc import Iterable
from typing import Any

from tidings.events.entry import LogEvent, unpack
from tidings.events.live import FIELD
from tidings.events.wire import Wire, is_redirection, words

# Beyond the time that Redis was asked to wait.
PATIENCE_S = 2.0


class Reader:
    """Reads one stream.   most: events at once.   block_ms: how long Redis waits for one."""

    def __init__(self, redis: Any, key: str, most: int, block_ms: int) -> None:
        self.wire = Wire(redis, key)
        self.options = (b"COUNT", b"%d" % most, b"BLOCK", b"%d" % block_ms, b"STREAMS", key.encode())
        self.start = b"*%d\r\n%s" % (len(self.options) + 2, words(b"XREAD", *self.options))
        self.patience_s = block_ms / 1000 + PATIENCE_S

    async def after(self, position: int) -> list[LogEvent]:
        """The next events, or none in that time. Raises what REDIS_AWAY names, and as `unpack` does.

        From a position, never from `$`: what came between two reads would be lost.
        """
        last = b"%d-0" % position
        [answer] = await self.wire.exchange(self.start + words(last), 1, self.patience_s)
        if is_redirection(answer):
            await self.wire.close()
            return await self.elsewhere(last)
        if isinstance(answer, Exception):
            raise answer
        return unpacked(value for _, (_, value) in entries_of(answer))

    async def elsewhere(self, last: bytes) -> list[LogEvent]:
        """By the Cluster's own client, which follows, and makes a dict of each entry."""
        answer = await self.wire.redis.execute_command("XREAD", *self.options, last)
        if not answer:
            return []
        parsed = answer[0][1] if isinstance(answer, list) else next(iter(answer.values()))[0]
        return unpacked(fields[FIELD] for _, fields in parsed)

    async def close(self) -> None:
        await self.wire.close()


def entries_of(answer: Any) -> Any:
    """Of the only stream asked for, as RESP 2 or 3 has it."""
    if not answer:
        return []
    return answer[0][1] if isinstance(answer, list) else next(iter(answer.values()))


def unpacked(entries: Iterable[bytes]) -> list[LogEvent]:
    return [unpack(entry) for entry in entries]
