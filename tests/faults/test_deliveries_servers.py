"""Deliveries while their workers, planners and servers are killed, while Redis is away for long, and while it is full; a fifth of the
attempts fails anyway.

CHAOS_SECONDS=60 DELIVERIES_PER_S=300 OUTAGE_S=60 CHAOS_SEED=7 pytest -s tests/faults/test_deliveries_servers.py is the long form.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from faults.delivering import ALLOWED, Delivering, Door, delivering
from faults.deployment import Deployment, Part, Server
from faults.test_redis import OUTAGE_S, go_on, nothing_ends_or_chatters
from redis.exceptions import OutOfMemoryError

SECONDS = float(os.environ.get("CHAOS_SECONDS") or 10)
PER_S = float(os.environ.get("DELIVERIES_PER_S") or 120)
ENDPOINTS = 3
DEAD_S = (0.1, 1.5)
PAUSES_S = (0.3, 1.5)


@pytest.fixture(scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Deployment]:
    state = tmp_path_factory.mktemp("deliveries") / "state"
    async with Deployment(state, planners=2, senders=2, environ=ALLOWED) as deployment:
        yield deployment


async def test_killed_workers_planners_and_servers_lose_no_delivery_and_send_none_again(
    deployment: Deployment, api_key: str, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    async with delivering(deployment, api_key, seed, rate=PER_S / ENDPOINTS) as under_way:
        await under_way.endpoint(Door("/quick", seed, fails=0.2), [1] * 10)
        # Whoever is killed has some of these under way.
        await under_way.endpoint(Door("/slow", seed, fails=0.2, hangs=0.3, hangs_s=1), [1] * 10)
        await under_way.endpoint(Door("/short", seed, fails=0.15, doomed=0.03), [1, 1])
        under_way.load.publish()
        await under_way.until_accepted(PER_S / ENDPOINTS)
        kills = await kill_in_turn(deployment, seed, SECONDS)
        await under_way.load.stop_publishing()
        took = await under_way.settled(within=90)
        ledger = await under_way.without_faults()
        await under_way.nobody_else_is_hurt()
        with capsys.disabled():
            os.write(2, f"\n{dict(kills)}, settled {took:.1f} s after: {told(under_way)}\n".encode())
        assert set(kills) == {"sender", "planner", "postgres", "valkey"}
        assert len(ledger.deliveries) > SECONDS * PER_S / 3, under_way.load.told()
        # What it was about: attempts were lost with their workers, a fifth failed, and some came to the end of their schedule.
        outcomes = ledger.outcomes()
        assert outcomes["lost"] > 0
        assert 0.1 < outcomes["retry"] / (outcomes["retry"] + outcomes["delivered"]) < 0.3
        doomed = [one for one in ledger.deliveries if under_way.doors[one.endpoint].is_doomed(under_way.accepted.get(one.notification, ""))]
        assert doomed
        assert {one.state for one in doomed} == {"dead"}


async def kill_in_turn(deployment: Deployment, seed: int, seconds: float) -> Counter[str]:
    """One after another, each kind in each round, in an order that the seed says; each starts again a moment later. How often, by kind."""
    rng = random.Random(f"kills {seed}")
    kills: Counter[str] = Counter()
    reviving: list[asyncio.Task[None]] = []
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while loop.time() < until or len(kills) < 4:
        victims: list[Part | Server] = [*deployment.senders, *deployment.planners, deployment.postgres, deployment.valkey]
        for victim in rng.sample(victims, len(victims)):
            await asyncio.sleep(rng.uniform(*PAUSES_S))
            if victim.is_running:
                await victim.kill()
                kills[victim.name.rstrip("0123456789")] += 1
                reviving.append(asyncio.create_task(revive(victim, rng.uniform(*DEAD_S))))
    await asyncio.gather(*reviving)
    await deployment.heal()
    return kills


async def revive(victim: Part | Server, after_s: float) -> None:
    await asyncio.sleep(after_s)
    await victim.start()


def told(under_way: Delivering) -> str:
    return f"{len(under_way.accepted)} accepted × {len(under_way.doors)}, {arrivals(under_way)} requests arrived; {under_way.load.told()}"


@asynccontextmanager
async def through_an_outage(deployment: Deployment, api_key: str, seed: int) -> AsyncIterator[Delivering]:
    """Redis fails in the body and is well after it. No publish is refused, no process ends or chatters; everything is delivered."""
    async with delivering(deployment, api_key, seed, rate=PER_S / ENDPOINTS) as under_way:
        for name in ("one", "two"):
            await under_way.endpoint(Door(f"/{name}", seed, fails=0.2), [1] * 10)
        under_way.load.publish()
        await under_way.until_accepted(PER_S / ENDPOINTS)
        with nothing_ends_or_chatters(deployment):
            yield under_way
            await under_way.until_accepted(PER_S / ENDPOINTS)
        await under_way.load.stop_publishing()
        await under_way.settled(within=60)
        ledger = await under_way.without_faults()
        await under_way.nobody_else_is_hurt()
        assert ledger.states() == {"delivered": 2 * len(under_way.accepted)}
        assert set(under_way.load.statuses) == {202}, under_way.load.told()


async def test_while_redis_is_away_for_long_deliveries_wait_and_nobody_is_hurt(deployment: Deployment, api_key: str, seed: int) -> None:
    async with through_an_outage(deployment, api_key, seed) as under_way:
        await deployment.valkey.kill()
        await go_on(under_way.load, OUTAGE_S / 2)
        arrived = arrivals(under_way)
        await go_on(under_way.load, OUTAGE_S / 2)
        assert arrivals(under_way) == arrived, "what is due waits in the ledger"
        await deployment.valkey.start()


async def test_while_redis_is_full_deliveries_wait_and_the_api_loses_nothing(deployment: Deployment, api_key: str, seed: int) -> None:
    redis = deployment.redis
    async with through_an_outage(deployment, api_key, seed) as under_way:
        # Less than is used: what others filled up to the limit would make room again and again, as their own buffers come and go.
        await redis.config_set("maxmemory", str((await redis.info("memory"))["used_memory"] // 2))
        with pytest.raises(OutOfMemoryError):
            await redis.set("one more", "x")
        await go_on(under_way.load, 2)
        arrived = arrivals(under_way)
        await go_on(under_way.load, 4)
        assert arrivals(under_way) == arrived, "what is due waits in the ledger"
        await redis.config_set("maxmemory", "0")
    await redis.aclose()


def arrivals(under_way: Delivering) -> int:
    return sum(len(door.arrivals) for door in under_way.doors.values())
