"""The fast way into a stream does what redis-py's pipeline does."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.exceptions import ResponseError
from running import Servers, until

from tidings.events.cursor import new_epoch
from tidings.events.entry import LogEvent, pack
from tidings.events.line import Line, commands
from tidings.events.live import FIELD, StreamLost, append_live, stream_key
from tidings.events.reader import Reader
from tidings.events.wire import command
from tidings.platform.redis import open_redis

TEXTS = st.text(max_size=300)
TIMES = st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
EVENTS = st.builds(
    LogEvent,
    position=st.integers(1, 2**53),
    project=st.integers(1, 2**31 - 1),
    type=TEXTS,
    notification=st.none() | TEXTS,
    recipients=st.none() | st.lists(st.integers(1, 2**62), max_size=5),
    topics=st.none() | st.lists(st.integers(1, 2**62), max_size=5),
    everyone=st.booleans(),
    data=TEXTS,
    internal=st.none() | TEXTS,
    actor=TEXTS,
    accepted_at=TIMES,
    created_at=TIMES,
)


@pytest.fixture
async def redis(servers: Servers) -> AsyncIterator[Any]:
    client = open_redis(servers.redis_url)
    yield client
    await client.aclose()


def event(position: int) -> LogEvent:
    now = datetime.now(UTC)
    return LogEvent(position, 1, "test.happened", None, None, None, False, "{}", None, "test", now, now)


@given(events=st.lists(EVENTS, min_size=1, max_size=5), window=st.integers(1, 10**6), create=st.booleans())
def test_the_commands_are_those_that_redis_py_encodes(events: list[LogEvent], window: int, create: bool) -> None:
    connection = open_redis("redis://127.0.0.1:1").connection_pool.make_connection()
    options: tuple[Any, ...] = () if create else ("NOMKSTREAM",)
    expected = b""
    for place, one in enumerate(events, 1):
        trim = ("MAXLEN", "~", window) if place == len(events) else ()
        expected += b"".join(connection.pack_command("XADD", "the key", *options, *trim, f"{one.position}-0", FIELD, pack(one)))
    assert commands("the key", events, window, create) == expected


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.lists(EVENTS, min_size=1, max_size=8), min_size=1, max_size=3), create=st.booleans())
async def test_it_leaves_the_stream_and_answers_as_the_pipeline_does(redis: Any, batches: list[list[LogEvent]], create: bool) -> None:
    one, other = (stream_key(new_epoch(), 1) for _ in range(2))
    line = Line(redis, one, 10**6)
    for batch in batches:
        assert await outcome(line.append(batch, create)) == await outcome(append_live(redis, other, batch, 10**6, create))
    await line.close()
    assert await redis.xrange(one) == await redis.xrange(other)
    await redis.delete(one, other)


async def outcome(appending: Any) -> Any:
    try:
        return await appending
    except (StreamLost, ResponseError) as error:
        return type(error)


async def test_a_stream_keeps_about_its_window(redis: Any) -> None:
    key = stream_key(new_epoch(), 1)
    line = Line(redis, key, 1000)
    for start in range(1, 5001, 500):
        await line.append([event(position) for position in range(start, start + 500)], create=True)
    assert 1000 <= await redis.xlen(key) < 1500
    await line.close()


async def test_who_waits_gets_all_that_came_together(redis: Any) -> None:
    """And not the first alone, which would be a write of its own to each open stream."""
    key = stream_key(new_epoch(), 1)
    line, reader = Line(redis, key, 1000), Reader(redis, key, 500, 5000)
    await line.append([event(1)], create=True)
    [own] = await reader.wire.exchange(command(b"CLIENT", b"ID"), 1, 5)
    waiting = asyncio.create_task(reader.after(1))
    await until(partial(is_blocked, redis, own), 5)
    await line.append([event(position) for position in range(2, 102)])
    assert [one.position for one in await waiting] == list(range(2, 102))
    await reader.close()
    await line.close()
    await redis.delete(key)


async def is_blocked(redis: Any, client: int) -> bool:
    return any("b" in one["flags"] for one in await redis.client_list(client_id=[str(client)]))


async def test_what_is_no_stream_is_said(redis: Any) -> None:
    key = stream_key(new_epoch(), 1)
    await redis.set(key, "something else")
    line = Line(redis, key, 1000)
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await line.append([event(1), event(2)])
    # It may be that of a primary which was demoted: the next connection may lead to its successor.
    assert line.wire.link is None
    await redis.delete(key)
    assert await line.append([event(1), event(2)], create=True) == 0
    await line.close()


async def test_a_connection_that_the_server_closed_is_opened_again(redis: Any) -> None:
    key = stream_key(new_epoch(), 1)
    line = Line(redis, key, 1000)
    await line.append([event(1)], create=True)
    [own] = await line.wire.exchange(command(b"CLIENT", b"ID"), 1, 5)
    await redis.client_kill_filter(_id=own)
    assert await line.append([event(2)]) == 0
    await line.close()
