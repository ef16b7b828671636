"""An API process that is asked to stop sends its streams away in good order, and nobody loses anything by it.

STREAMS=2000 drains as many as the promise; the suite's are fewer.
"""

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from faults.balancer import Balancer
from faults.deployment import Api, Deployment
from faults.history import summary
from faults.listener import until
from faults.load import Load

STREAMS = int(os.environ.get("STREAMS") or 500)
DRAINED_WITHIN_S = 20.0
READINESS_DELAY_S = 1.0


@pytest.fixture(scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Deployment]:
    """A balancer has a second to learn that a process is about to stop."""
    environ = {"TIDINGS_READINESS_DELAY_S": str(READINESS_DELAY_S)}
    async with Deployment(tmp_path_factory.mktemp("stopping") / "state", apis=2, environ=environ) as deployment:
        yield deployment


async def test_sigterm_with_many_open_streams(deployment: Deployment, api_key: str, seed: int) -> None:
    first, second = deployment.apis
    async with Balancer([first]) as balancer, Load(balancer.bases, api_key, seed=seed, listeners=STREAMS, publishers=10, rate=50) as load:
        assert await first.metric("tidings_streams") == STREAMS
        load.publish()
        balancer.apis = [first, second]
        await until(lambda: len(balancer.ready) == 2, 30, "a balancer that knows both")
        accepted = load.history.count("accepted")
        await until(lambda: load.history.count("accepted") > accepted + 20, 30, lambda: f"publishing over both, {load.told()},")

        asked = time.monotonic()
        stopping = asyncio.create_task(first.terminate(within=60))
        await until(lambda: balancer.ready == [second], 3, "a balancer that knows")
        health = await first.health()
        assert health["status"] == "draining"
        assert await first.metric("tidings_streams") == STREAMS, "streams ended before readiness had failed"
        await stopping
        assert time.monotonic() - asked < DRAINED_WITHIN_S
        assert first.process is not None and first.process.returncode == 0, first.lines()[-5:]

        await until(lambda: all(listener.ready.is_set() for listener in load.listeners), 20, "everybody at the second process")
        assert await second.metric("tidings_streams") == STREAMS
        spread_well(load)
        await load.stop_publishing()
        await load.caught_up(20)
        faults = load.history.faults()
        assert not faults, (seed, summary(faults), faults[:10])
        assert load.history.repeats == 0
        assert load.history.count("accepted") == len(load.history.publishes), load.told()


def spread_well(load: Load) -> None:
    """Each stream was told to come back, at its own moment and after its own pause."""
    told = [listener.kept["reconnect"] for listener in load.listeners]
    times = sorted(at for _, at in told)
    assert times[-1] - times[0] > 1
    in_tenths = Counter(int((at - times[0]) * 10) for at in times)
    assert max(in_tenths.values()) < len(told) / 3, in_tenths
    retries = [event.retry for event, _ in told]
    assert all(retry is not None and 100 <= retry <= 10_000 for retry in retries)
    assert len(set(retries)) > len(told) / 4


async def test_rolling_restart_under_load(deployment: Deployment, api_key: str, seed: int) -> None:
    async with (
        Balancer(deployment.apis) as balancer,
        Load(balancer.bases, api_key, seed=seed, listeners=40, publishers=20, rate=100) as load,
    ):
        load.publish()
        for api in deployment.apis:
            await restart(api)
            await until(lambda: len(balancer.ready) == 2, 10, "both ready")
        await load.stop_publishing()
        await load.caught_up(20)
        faults = load.history.faults()
        assert not faults, (seed, summary(faults), faults[:10])
        assert load.history.repeats == 0
        # Nobody who publishes noticed either.
        assert load.history.count("accepted") == len(load.history.publishes), load.told()
        assert await load.inbox_faults() == []


async def restart(api: Api) -> None:
    await api.terminate(within=60)
    await api.start()
    await api.ready()


async def test_a_second_sigterm_ends_the_waiting(tmp_path: Path) -> None:
    environ = {"TIDINGS_READINESS_DELAY_S": "60"}
    async with Deployment(tmp_path / "state", environ=environ) as deployment:
        api = deployment.apis[0]
        stopping = asyncio.create_task(api.terminate(within=10))
        while (await api.health())["status"] != "draining":
            await asyncio.sleep(0.05)
        assert not stopping.done()
        assert await api.terminate(within=10) < 5
        await stopping
