"""The live end of the log on a Redis Cluster and behind Sentinel, and when either is away."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from running import until

from tidings.events.entry import LogEvent
from tidings.events.live import append_live, last_position, stream_key
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
    await redis.aclose()


async def test_a_cluster(valkey: Start) -> None:
    port = free_port()
    await valkey("--port", str(port), "--cluster-enabled", "yes", "--save", "")
    node = open_redis(f"redis://127.0.0.1:{port}")

    async def has_slots() -> bool:
        with contextlib.suppress(*REDIS_AWAY):
            await node.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        try:
            return b"cluster_state:ok" in (await node.execute_command("CLUSTER", "INFO"))
        except REDIS_AWAY:
            return False

    await until(has_slots, 20)
    await node.aclose()
    await appends_and_reads(f"redis+cluster://127.0.0.1:{port}")


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
