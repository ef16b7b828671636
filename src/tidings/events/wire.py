"""A connection of one's own to the Redis that holds a stream: commands encoded beforehand, and their answers read one after another.

redis-py's own way costs a task and four timers for each command, a connection out of the pool and back, and encoding word by word. Only its
public parts are used, so that it still connects: TLS, logins, Sentinel.
"""

import asyncio
from typing import Any

from redis.exceptions import AskError, ClusterDownError, MovedError, ResponseError, TryAgainError

from tidings.platform.redis import REDIS_AWAY

# What a Cluster says when the stream lies elsewhere; its own client follows, and learns where.
REDIRECTED = (MovedError, AskError, TryAgainError, ClusterDownError)


class Wire:
    """connection: redis-py's, ours alone while it lasts."""

    def __init__(self, redis: Any, key: str) -> None:
        self.redis = redis
        self.key = key
        self.connection: Any = None

    async def exchange(self, commands: bytes, answers: int, patience_s: float) -> list[Any]:
        """The answers, refusals among them. The connection is closed by whatever is raised: what was answered is not known then."""
        connection = await self.connected()
        try:
            async with asyncio.timeout(patience_s):
                await connection.send_packed_command(commands, check_health=False)
                return [await answer_of(connection) for _ in range(answers)]
        except BaseException:
            await self.close()
            raise

    async def connected(self) -> Any:
        if self.connection is None:
            connection = await connection_to(self.redis, self.key)
            await connection.connect()
            # One timeout around an exchange instead of redis-py's around each answer.
            connection.socket_timeout = None
            self.connection = connection
        return self.connection

    async def drop_if_spoilt(self) -> None:
        """Before a command that must not be lost: the other side may have closed, or said something that nobody asked for."""
        if self.connection is not None and not await is_quiet(self.connection):
            await self.close()

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
    try:
        return connection.is_connected and not await connection.can_read_destructive()
    except REDIS_AWAY:
        return False


async def answer_of(connection: Any) -> Any:
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error


def words(*arguments: bytes) -> bytes:
    """Arguments of a command, as RESP has them."""
    return b"".join(b"$%d\r\n%s\r\n" % (len(argument), argument) for argument in arguments)
