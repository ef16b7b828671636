"""Redis is an accelerator that may vanish, come back empty, come back older, or hang: nothing is lost, nobody waits, nothing ends.

OUTAGE_S=60 makes the outages as long as the promise; the suite's are shorter.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import msgspec
import pytest
from faults.deployment import Deployment
from faults.history import summary
from faults.listener import until
from faults.load import Load

from tidings.events.entry import pack, unpack
from tidings.events.live import FIELD, stream_key

OUTAGE_S = float(os.environ.get("OUTAGE_S") or 10)
RECEIVED_WITHIN_S = 2.0
CAUGHT_UP_WITHIN_S = 10.0
# The suite's machine has other things to do: what is promised in seconds may take one more.
SLACK_S = 1.0
RATE = 60.0


@asynccontextmanager
async def under_load(deployment: Deployment, api_key: str, seed: int) -> AsyncIterator[Load]:
    """Publishing goes on in the body. After it: nothing lost, no publish refused, everything received in time."""
    async with Load(deployment.bases, api_key, seed=seed, listeners=8, publishers=12, rate=RATE) as load:
        load.publish()
        began = asyncio.get_running_loop().time()
        await until(lambda: load.history.count("accepted") > RATE, 10, "a second of publishes")
        with nothing_ends_or_chatters(deployment):
            yield load
        await load.stop_publishing()
        await load.caught_up(10)
        faults = load.history.faults()
        assert not faults, (seed, summary(faults), faults[:10])
        # Sending went on, and was never refused: everything took one attempt.
        assert set(load.statuses) == {202}, load.told()
        assert load.history.count("accepted") == len(load.history.publishes), load.told()
        assert all(publish.attempts == 1 for publish in load.history.publishes), load.told()
        assert load.history.slowest(began) < RECEIVED_WITHIN_S + SLACK_S, load.told()


@contextmanager
def nothing_ends_or_chatters(deployment: Deployment) -> Iterator[None]:
    """No process of ours exits, and each writes less than a line a second (plus the few that say what happened)."""
    pids = [part.pid for part in deployment.own]
    lines = [len(part.lines()) for part in deployment.own]
    began = time.monotonic()
    yield
    took = time.monotonic() - began
    assert [part.pid for part in deployment.own if part.is_running] == pids
    for part, before in zip(deployment.own, lines, strict=True):
        new = part.lines()[before:]
        # A warning and its end for each of the four shards are one moment's lines.
        assert len(new) <= max(took, 12), "\n".join(new)
        assert not any("Traceback" in line for line in new), "\n".join(new)


async def go_on(load: Load, seconds: float) -> None:
    """Until publishing has gone on for that long. Not a sleep: it fails at once when publishing stops."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while loop.time() < end:
        before = load.history.count("accepted")
        await until(lambda before=before: load.history.count("accepted") > before, 5, "the next publish")  # type: ignore[misc]
        await asyncio.sleep(0.2)


async def test_flushall(deployment: Deployment, api_key: str, seed: int) -> None:
    async with under_load(deployment, api_key, seed) as load:
        redis = deployment.redis
        for _ in range(3):
            await redis.flushall()
            await go_on(load, 1)
        await redis.aclose()
        await deployment.caught_up(CAUGHT_UP_WITHIN_S)


async def test_flushall_while_nobody_publishes(deployment: Deployment, api_key: str, seed: int) -> None:
    async with under_load(deployment, api_key, seed) as load:
        await load.stop_publishing()
        redis = deployment.redis
        await redis.flushall()
        await redis.aclose()
        await deployment.caught_up(CAUGHT_UP_WITHIN_S)
        load.publish()


async def test_valkey_restarted_empty(deployment: Deployment, api_key: str, seed: int) -> None:
    async with under_load(deployment, api_key, seed) as load:
        await deployment.valkey.kill()
        await deployment.valkey.start()
        await go_on(load, 2)
        await deployment.caught_up(CAUGHT_UP_WITHIN_S)


async def test_valkey_restored_from_an_older_file(deployment: Deployment, api_key: str, seed: int) -> None:
    dump = Path(deployment.valkey.program.folder) / "dump.rdb"
    async with under_load(deployment, api_key, seed) as load:
        redis = deployment.redis
        await redis.save()
        await redis.aclose()
        await go_on(load, 2)
        assert dump.exists()
        await deployment.valkey.kill()
        await deployment.valkey.start()
        dump.unlink()
        await go_on(load, 2)
        await deployment.caught_up(CAUGHT_UP_WITHIN_S)


async def test_valkey_away(deployment: Deployment, api_key: str, seed: int) -> None:
    async with under_load(deployment, api_key, seed) as load:
        await deployment.valkey.kill()
        await go_on(load, OUTAGE_S)
        for api in deployment.apis:
            assert await api.status() == 200
            health = await api.health()
            assert (health["status"], health["checks"]["redis"]["status"]) == ("degraded", "degraded"), health
        # A stream that is opened now works as the others do.
        load.listeners[0].drop()
        await go_on(load, 1)
        await deployment.valkey.start()
        await deployment.caught_up(CAUGHT_UP_WITHIN_S)


async def test_valkey_hangs(deployment: Deployment, api_key: str, seed: int) -> None:
    """It accepts connections and never answers: worse than away."""
    async with under_load(deployment, api_key, seed) as load:
        deployment.valkey.pause()
        await go_on(load, OUTAGE_S * 0.8)
        deployment.valkey.go_on()
        await deployment.caught_up(CAUGHT_UP_WITHIN_S)


async def test_a_stream_ahead_of_the_log_begins_a_new_history(deployment: Deployment, api_key: str, seed: int) -> None:
    """As after a restore of PostgreSQL: clients are told by `reset`, read their inbox, and go on."""
    async with Load(deployment.bases, api_key, seed=seed, listeners=8, publishers=12, rate=RATE) as load:
        load.publish()
        await until(lambda: load.history.count("accepted") > RATE, 10, "a second of publishes")
        place = load.history.clients[0].receipts[-1].place
        connection = await deployment.connect()
        shard = await connection.fetchval("SELECT shard FROM shards WHERE epoch = $1", place.epoch)
        redis = deployment.redis
        key = stream_key(place.epoch, shard)
        newest = unpack((await redis.xrevrange(key, count=1))[0][1][FIELD])
        ahead = msgspec.structs.replace(newest, position=newest.position + 10**6)
        await redis.xadd(key, {FIELD: pack(ahead)}, id=f"{ahead.position}-0")
        await until(lambda: all(client.resets for client in load.history.clients), 15, "everybody's reset")
        assert await connection.fetchval("SELECT epoch FROM shards WHERE shard = $1", shard) != place.epoch
        await go_on(load, 2)
        await load.stop_publishing()
        await load.caught_up(10)
        await redis.aclose()
        await connection.close()
        faults = load.history.faults()
        assert not faults, (seed, summary(faults), faults[:10])
        assert load.surprises == []


@pytest.fixture(autouse=True)
def no_dump_left(deployment: Deployment) -> Iterator[None]:
    yield
    (Path(deployment.valkey.program.folder) / "dump.rdb").unlink(missing_ok=True)
