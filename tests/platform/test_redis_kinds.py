"""The live end of the log on a Redis Cluster and behind Sentinel, and when either is away."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from running import until

from tidings.events.entry import LogEvent
from tidings.events.line import Line
from tidings.events.live import append_live, last_position, stream_key
from tidings.events.reader import Reader
from tidings.platform.embedded.valkey import program
from tidings.platform.redis import REDIS_AWAY, open_redis

Start = Callable[..., Awaitable[None]]


def free_port() -> int:
    """Below 32768: a cluster's bus listens 10,000 ports higher."""
    for port in range(21000, 32000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) and probe.connect_ex(("127.0.0.1", port + 10_000)):
                return port
    raise RuntimeError("no port is free")


@pytest.fixture
async def valkey(tmp_path: Path) -> AsyncIterator[Start]:
    """Start valkey-server with these arguments; all of them end with the test."""
    processes: list[asyncio.subprocess.Process] = []

    async def start(*arguments: str) -> None:
        output = asyncio.subprocess.DEVNULL
        common = ("--bind", "127.0.0.1", "--dir", str(tmp_path))
        processes.append(await asyncio.create_subprocess_exec(program(), *arguments, *common, stdout=output, stderr=output))

    yield start
    for process in processes:
        process.kill()
        await process.wait()


def event(position: int) -> LogEvent:
    now = datetime.now(UTC)
    return LogEvent(position, 1, "test.happened", None, None, None, False, "{}", None, "test", now, now)


async def appends_and_reads(url: str) -> None:
    redis = open_redis(url)
    key = stream_key("abcdefgh", 1)

    async def is_appended() -> bool:
        try:
            await append_live(redis, key, [event(1), event(2)], 100, create=True)
        except REDIS_AWAY:
            return False
        return await last_position(redis, key) == 2

    await until(is_appended, 20)
    line = Line(redis, key, 100)
    assert await line.append([event(2), event(3)]) == 1
    assert await last_position(redis, key) == 3
    await line.close()
    await redis.aclose()


async def test_a_cluster(valkey: Start) -> None:
    port = free_port()
    await valkey("--port", str(port), "--cluster-enabled", "yes", "--save", "")
    await give_slots(port)
    await appends_and_reads(f"redis+cluster://127.0.0.1:{port}")


async def give_slots(port: int) -> None:
    node = open_redis(f"redis://127.0.0.1:{port}")
    await until(partial(has_slots, node), 20)
    await node.aclose()


async def has_slots(node: Any) -> bool:
    with contextlib.suppress(*REDIS_AWAY):
        await node.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
    return await is_whole(node)


async def is_whole(node: Any, nodes: int = 1) -> bool:
    said = await cluster_info(node)
    return b"cluster_state:ok" in said and b"cluster_known_nodes:%d\r" % nodes in said


async def cluster_info(node: Any) -> bytes:
    try:
        said: bytes = await node.execute_command("CLUSTER", "INFO")
    except REDIS_AWAY:
        return b""
    return said


async def test_line_and_reader_follow_their_stream_to_another_node(valkey: Start) -> None:
    ports = [free_port()]
    await valkey("--port", str(ports[0]), "--cluster-enabled", "yes", "--save", "", "--cluster-config-file", "one.conf")
    await give_slots(ports[0])
    ports.append(free_port())
    await valkey("--port", str(ports[1]), "--cluster-enabled", "yes", "--save", "", "--cluster-config-file", "two.conf")
    here, there = (open_redis(f"redis://127.0.0.1:{port}") for port in ports)
    await until(partial(met, here, there, ports[0]), 20)

    redis = open_redis(f"redis+cluster://127.0.0.1:{ports[0]}")
    key = stream_key("abcdefgh", 1)
    line = Line(redis, key, 100)
    assert await line.append([event(1), event(2)], create=True) == 0
    reader = Reader(redis, key, 10, 100)
    assert [one.position for one in await reader.after(0)] == [1, 2]
    slot = await here.execute_command("CLUSTER", "KEYSLOT", key)
    destination = (await there.execute_command("CLUSTER", "MYID")).decode()
    await here.delete(key)
    for node in (there, here):
        await node.execute_command("CLUSTER", "SETSLOT", slot, "NODE", destination)

    assert await line.append([event(3)], create=True) == 0
    assert await line.append([event(4)]) == 0
    assert await last_position(redis, key) == 4
    assert [name for name, _ in await there.xrange(key)] == [b"3-0", b"4-0"]
    # By the Cluster's client, while its own connection still leads to the node of before; and then over one of its own.
    for position, found in ((2, [3, 4]), (4, []), (3, [4])):
        assert [one.position for one in await reader.after(position)] == found
    await reader.close()
    await line.close()
    for client in (redis, here, there):
        await client.aclose()


async def met(here: Any, there: Any, port: int) -> bool:
    # A node that is greeted counts once more while it shakes hands: greeted at every look, there were never just two.
    if b"cluster_known_nodes:1\r" in await cluster_info(there):
        with contextlib.suppress(*REDIS_AWAY):
            await there.execute_command("CLUSTER", "MEET", "127.0.0.1", port)
    return await is_whole(here, 2) and await is_whole(there, 2)


async def test_sentinel(valkey: Start, tmp_path: Path) -> None:
    primary = free_port()
    watch = primary + 1
    await valkey("--port", str(primary), "--save", "")
    configuration = tmp_path / "sentinel.conf"
    configuration.write_text(f"port {watch}\nsentinel monitor tidings 127.0.0.1 {primary} 1\n")
    await valkey(str(configuration), "--sentinel")
    await appends_and_reads(f"redis+sentinel://127.0.0.1:{watch}/tidings")


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1", "redis+cluster://127.0.0.1:1", "redis+sentinel://127.0.0.1:1/tidings"])
async def test_what_is_out_of_reach_counts_as_away(url: str) -> None:
    redis = open_redis(url)
    with pytest.raises(REDIS_AWAY):
        await last_position(redis, "x")
    await redis.aclose()
