"""A connection of one's own to Redis: commands encoded beforehand, answers taken straight off the socket.

redis-py's own way costs a task and four timers for each command, a connection out of the pool and back, encoding word by word, and a
reader that wakes a task which then parses: a fifth of what an API process did for an event. redis-py still connects, so that TLS, logins,
Sentinel and Cluster are its own; then its transport is ours. That rests on two private names of redis-py, whose version the lock files
hold; `tests/events/test_wire.py` holds the names.
"""

import asyncio
from typing import Any

import hiredis
from redis.exceptions import ResponseError

# What a Cluster says when the stream lies elsewhere; its own client follows, and learns where.
REDIRECTIONS = ("MOVED ", "ASK ", "TRYAGAIN ", "CLUSTERDOWN ")

CLOSED = "Redis closed the connection"


class Wire:
    """One exchange at a time. Connects when first used, and again after whatever went wrong."""

    def __init__(self, redis: Any, key: str) -> None:
        self.redis = redis
        self.key = key
        self.link: Link | None = None

    async def exchange(self, commands: bytes, answers: int, patience_s: float) -> list[Any]:
        """The answers, refusals (ResponseError) among them. Whatever is raised closes the connection: what came of it is not known."""
        if self.link is not None and self.link.is_spoilt:
            await self.close()
        if self.link is None:
            connection = await connection_to(self.redis, self.key)
            await connection.connect()
            self.link = Link(connection)
        try:
            return await self.link.ask(commands, answers, patience_s)
        except BaseException:
            await self.close()
            raise

    async def drop_if_spoilt(self) -> None:
        """Before a command that must not be lost: the other side may have closed, or said something that nobody asked for."""
        if self.link is not None:
            await asyncio.sleep(0)  # what the socket has to say is heard now
            if self.link.is_spoilt:
                await self.close()

    async def close(self) -> None:
        link, self.link = self.link, None
        if link is not None:
            await link.connection.disconnect(nowait=True)


class Link(asyncio.Protocol):
    """connection: redis-py's, just connected, with nothing under way.   wanted: answers until the one who asks is woken."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.parser = hiredis.Reader(replyError=ResponseError)
        self.loop = asyncio.get_running_loop()
        self.answers: list[Any] = []
        self.wanted = 0
        self.asking: asyncio.Future[list[Any]] | None = None
        self.transport: asyncio.Transport = connection._writer.transport
        # Ended while it was taken over: nobody would tell us any more, and uvloop raises RuntimeError for a write to what is closed.
        self.is_lost = connection._reader.at_eof() or self.transport.is_closing()
        self.transport.set_protocol(self)

    @property
    def is_spoilt(self) -> bool:
        return self.is_lost or bool(self.answers)

    async def ask(self, commands: bytes, answers: int, patience_s: float) -> list[Any]:
        if self.is_lost:
            raise ConnectionResetError(CLOSED)
        self.wanted = answers
        self.asking = self.loop.create_future()
        patience = self.loop.call_later(patience_s, self.fail, TimeoutError(f"Redis did not answer within {patience_s:g} s"))
        self.transport.write(commands)
        try:
            return await self.asking
        finally:
            patience.cancel()

    def data_received(self, data: bytes) -> None:
        try:
            self.take(data)
        except hiredis.HiredisError as error:
            self.fail(ConnectionError(f"what Redis said is no RESP: {error}"))

    def take(self, data: bytes) -> None:
        self.parser.feed(data)
        while (answer := self.parser.gets()) is not False:
            self.answers.append(answer)
        if self.asking is None or self.asking.done() or len(self.answers) < self.wanted:
            return
        if len(self.answers) > self.wanted:
            self.fail(ConnectionError("Redis said more than it was asked"))
        else:
            answers, self.answers = self.answers, []
            self.asking.set_result(answers)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True
        self.fail(ConnectionResetError(CLOSED))

    def fail(self, error: Exception) -> None:
        if self.asking is not None and not self.asking.done():
            self.asking.set_exception(error)


async def connection_to(redis: Any, key: str) -> Any:
    """A new connection to where the key lies."""
    if hasattr(redis, "get_node_from_key"):
        await redis.initialize()
        node = redis.get_node_from_key(key)
        return node.connection_class(**node.connection_kwargs)
    return redis.connection_pool.make_connection()


def is_redirection(answer: Any) -> bool:
    return isinstance(answer, ResponseError) and str(answer).startswith(REDIRECTIONS)


def words(*arguments: bytes) -> bytes:
    """Arguments of a command, as RESP has them."""
    return b"".join(b"$%d\r\n%s\r\n" % (len(argument), argument) for argument in arguments)


def command(*arguments: bytes) -> bytes:
    return b"*%d\r\n%s" % (len(arguments), words(*arguments))
