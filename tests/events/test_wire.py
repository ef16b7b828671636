"""A connection of our own: what it takes over from redis-py, and what becomes of it when Redis does not do as it should."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from redis.exceptions import ResponseError
from running import Servers, until

from tidings.events.wire import Wire, command, is_redirection
from tidings.platform.redis import REDIS_AWAY, open_redis


async def is_asking(link: Any) -> bool:
    return link.asking is not None and not link.asking.done()


async def is_spoilt(link: Any) -> bool:
    return bool(link.is_spoilt)


PING = command(b"PING")


@pytest.fixture
async def wire(servers: Servers) -> AsyncIterator[Wire]:
    redis = open_redis(servers.redis_url)
    wire = Wire(redis, "key")
    yield wire
    await wire.close()
    await redis.aclose()


async def test_answers_come_in_the_order_of_the_commands(wire: Wire) -> None:
    commands = PING + command(b"ECHO", b"x" * 300_000) + command(b"NO", b"SUCH") + command(b"LRANGE", b"none", b"0", b"9")
    ping, echo, refused, nothing = await wire.exchange(commands, 4, 5)
    assert (ping, echo, nothing) == (b"PONG", b"x" * 300_000, [])
    assert isinstance(refused, ResponseError) and not is_redirection(refused)
    assert await wire.exchange(PING, 1, 5) == [b"PONG"]


async def test_redis_py_leaves_the_transport_to_us(wire: Wire) -> None:
    """The private names that this rests on: a login and a database were said, and nothing of them is left to read."""
    await wire.exchange(PING, 1, 5)
    assert wire.link is not None
    assert wire.link.connection._writer.transport.get_protocol() is wire.link
    assert not wire.link.connection._reader._buffer


async def test_a_connection_that_ends_is_said_and_opened_again(wire: Wire) -> None:
    [own] = await wire.exchange(command(b"CLIENT", b"ID"), 1, 5)
    waiting = asyncio.create_task(wire.exchange(command(b"BLPOP", b"never", b"0"), 1, 30))
    await wire.redis.client_kill_filter(_id=own)
    with pytest.raises(REDIS_AWAY):
        await waiting
    assert await wire.exchange(PING, 1, 5) == [b"PONG"]


async def test_a_connection_that_ended_meanwhile_costs_no_exchange(wire: Wire) -> None:
    """A wake-up that failed for it would wait half a second."""
    [own] = await wire.exchange(command(b"CLIENT", b"ID"), 1, 5)
    link: Any = wire.link
    await wire.redis.client_kill_filter(_id=own)
    await until(partial(is_spoilt, link), 5)
    assert await wire.exchange(PING, 1, 5) == [b"PONG"]


@pytest.mark.parametrize("is_torn_down", [False, True], ids=["its end was read", "its transport is closed"])
async def test_a_connection_that_ends_before_it_is_ours_is_said(wire: Wire, is_torn_down: bool) -> None:
    """As when Redis is killed right after it greeted. uvloop raises RuntimeError for a write then, which ended a sequencer."""
    pool = wire.redis.connection_pool
    connection = pool.make_connection()
    connect = connection.connect

    async def is_ended() -> bool:
        return bool(connection._writer.transport.is_closing() if is_torn_down else connection._reader.at_eof())

    async def connect_and_lose() -> None:
        await connect()
        connection._writer.write(command(b"QUIT"))
        assert await connection.read_response() == b"OK"
        if is_torn_down:
            connection._writer.transport.abort()
        await until(is_ended, 5)

    connection.connect = connect_and_lose
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool, "make_connection", lambda: connection)
        with pytest.raises(ConnectionError):
            await wire.exchange(PING, 1, 1)
    assert wire.link is None
    assert await wire.exchange(PING, 1, 5) == [b"PONG"]


async def test_what_takes_too_long_closes_the_connection(wire: Wire) -> None:
    """Its answer would be taken for that of the next command."""
    with pytest.raises(TimeoutError):
        await wire.exchange(command(b"BLPOP", b"never", b"0"), 1, 0.05)
    assert wire.link is None
    assert await wire.exchange(PING, 1, 5) == [b"PONG"]


async def test_what_nobody_asked_for_spoils_a_connection(wire: Wire) -> None:
    await wire.exchange(PING, 1, 5)
    link: Any = wire.link
    link.data_received(b"+unasked\r\n")
    await wire.drop_if_spoilt()
    assert wire.link is None


async def test_what_is_no_answer_of_redis_is_said(wire: Wire) -> None:
    await wire.exchange(PING, 1, 5)
    link: Any = wire.link
    waiting = asyncio.create_task(wire.exchange(command(b"BLPOP", b"never", b"0"), 1, 30))
    await until(partial(is_asking, link), 5)
    link.data_received(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    with pytest.raises(REDIS_AWAY):
        await waiting
    assert wire.link is None
