"""The appender's own connection to the Redis that holds its shard's stream: many entries in one write.

redis-py's pipeline costs 21–27 µs of CPU an entry here, commands encoded beforehand and their answers read one after another 2–4 µs. Only
its public parts are used, so that it still connects: TLS, logins, Sentinel. A Cluster that sends us elsewhere is left to its pipeline.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from redis.exceptions import AskError, ClusterDownError, MovedError, ResponseError, TryAgainError

from tidings.events.entry import LogEvent, pack
from tidings.events.live import FIELD, append_live, passed_in
from tidings.platform.redis import REDIS_AWAY

PATIENCE_S = 5.0

REDIRECTED = (MovedError, AskError, TryAgainError, ClusterDownError)


class Line:
    """Appends to one stream. window: entries that it keeps, about.   connection: redis-py's, ours alone while it lasts."""

    def __init__(self, redis: Any, key: str, window: int) -> None:
        self.redis = redis
        self.key = key
        self.window = window
        self.connection: Any = None

    async def append(self, events: Sequence[LogEvent], create: bool = False) -> int:
        """As `append_live` does, whose words hold here too."""
        connection = await self.connected()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await connection.send_packed_command(commands(self.key, events, self.window, create), check_health=False)
                answers = [await answer_of(connection) for _ in events]
        except BaseException:
            await self.close()
            raise
        if any(isinstance(answer, REDIRECTED) for answer in answers):
            await self.close()
            # It follows, and learns where the next connection has to go. What was appended already is refused by its id.
            return await append_live(self.redis, self.key, events, self.window, create)
        return passed_in(self.key, answers)

    async def connected(self) -> Any:
        if self.connection is not None and not await is_quiet(self.connection):
            await self.close()
        if self.connection is None:
            connection = await connection_to(self.redis, self.key)
            await connection.connect()
            # One timeout around a batch instead of redis-py's around each answer.
            connection.socket_timeout = None
            self.connection = connection
        return self.connection

    async def close(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)


async def connection_to(redis: Any, key: str) -> Any:
    """A new connection to where the key lies."""
    if hasattr(redis, "get_node_from_key"):
        await redis.initialize()
        node = redis.get_node_from_key(key)
        return node.connection_class(**node.connection_kwargs)
    return redis.connection_pool.make_connection()


async def is_quiet(connection: Any) -> bool:
    """False when the other side has closed it, or said something that nobody asked for."""
    try:
        return connection.is_connected and not await connection.can_read_destructive()
    except REDIS_AWAY:
        return False


async def answer_of(connection: Any) -> Any:
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error


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


def words(*arguments: bytes) -> bytes:
    return b"".join(b"$%d\r\n%s\r\n" % (len(argument), argument) for argument in arguments)
