"""Two versions behind nginx and HAProxy under load: a good one comes into service, a bad one is taken back, and nobody misses anything.

RELEASE_SECONDS=600 pytest -s tests/releases/test_switching.py is the long form: so long for each release, two processes of each colour.
"""

import asyncio
import sys

import pytest
from faults.history import summary
from releases.conftest import SECONDS
from releases.ground import Ground
from releases.people import People, peak_over_mean
from running import until

from tidings.releases.figures import metrics_of, sample_of, version_in

LISTENERS, RATE = (200, 40.0) if SECONDS else (50, 40.0)
STEPS = "10,50,100" if SECONDS else "50,100"
MOST_ROLLBACK_S = 30
# Beside other tests the machine bunches what comes.
MOST_PEAK = 2 if SECONDS else 3
LEAST_SPREAD_S = 1.5


async def test_a_good_version_comes_into_service_and_streams_are_sent_over_in_a_paced_way(nginx: Ground) -> None:
    nginx.version("green", "0.2.0")
    async with await people(nginx) as load:
        load.publish()

        # Three steps and the drain.
        release = await nginx.release("switch", "--steps", STEPS, "--watch", f"{SECONDS / 4 or 1}", "--json")
        await until(lambda: nginx.is_in("draining"), 60 + SECONDS, "the old version is drained")
        began = asyncio.get_running_loop().time()

        code, outcome, said = await release.ended()
        assert (code, outcome["state"]["live"]) == (0, "green"), said
        assert await is_behind(nginx, "0.2.0")
        await until(lambda: has_come(load, began), 30, "everybody is at the new version")
        await nothing_is_lost(load)
        is_paced(load.comings(began))


async def test_a_bad_version_is_taken_back_by_itself(haproxy: Ground) -> None:
    haproxy.version("green", "0.3.0-bad")
    async with await people(haproxy) as load:
        load.publish()
        release = await haproxy.release("switch", "--steps", STEPS, "--watch", f"{SECONDS / 3 or 30}", "--json")
        await until(lambda: haproxy.has(50), 60 + SECONDS, "half of the traffic is at the new version")
        await until(lambda: is_behind(haproxy, "0.3.0-bad"), 30, "HAProxy has seen that the new version is ready")
        # So that there are streams to take back.
        load.drop_all()
        await until(lambda: streams_at_green(haproxy), 30, "streams at the new version")
        haproxy.fault.write_text("errors")
        await until(lambda: haproxy.is_in("rolled back"), 60, "the way back")
        began = asyncio.get_running_loop().time()

        code, outcome, said = await release.ended()
        assert (code, outcome["state"]["live"], outcome["state"]["phase"]) == (1, "blue", "rolled back"), said
        assert any(reason.startswith("http_errors") for reason in outcome["state"]["reasons"]), outcome
        assert outcome["rollback_s"] <= MOST_ROLLBACK_S
        tell(f"rolled back in {outcome['rollback_s']:.2f} s: {outcome['state']['reasons']}")
        assert await is_behind(haproxy, "0.1.0")
        await nothing_is_lost(load)
        is_paced(load.comings(began))


@pytest.mark.skipif(not SECONDS, reason="test_steps.py has the short form")
async def test_a_release_whose_command_was_killed_is_taken_back_by_the_next(haproxy: Ground) -> None:
    haproxy.version("green", "0.2.0")
    release = await haproxy.release("switch", "--steps", "50,100", "--watch", "60", "--json")
    await until(lambda: haproxy.has(50), 60, "half of the traffic is at the new version")
    release.process.kill()
    await release.process.wait()

    code, said = await haproxy.said("switch")
    assert (code, "tidings release rollback" in said) == (1, True), said
    code, said = await haproxy.said("rollback")
    assert (code, "blue is live" in said) == (0, True), said
    assert await is_behind(haproxy, "0.1.0")
    assert (await haproxy.said("rollback"))[0] == 1


async def people(ground: Ground) -> People:
    return People(lambda: [ground.base], (await ground.tidings.new_project()).api_key, listeners=LISTENERS, rate=RATE)


async def is_behind(ground: Ground, version: str) -> bool:
    """Whether the process that answers through the proxy is of that version."""
    async with ground.http.get(f"{ground.base}/metrics") as answer:
        return version_in(await answer.text()) == version


async def streams_at_green(ground: Ground) -> bool:
    found = await asyncio.to_thread(metrics_of, f"127.0.0.1:{ground.ports['green1']}")
    return found is not None and sample_of(found).streams >= LISTENERS / 5


async def has_come(load: People, since: float) -> bool:
    return len({patient.client.subscriber for patient in load.patients if patient.comings[-1] >= since}) == LISTENERS


def is_paced(comings: list[float]) -> None:
    """All of them within a moment would be a mean, too. Each is told a pause of its own, of 0.5 to 3 s, beside its place in the drain."""
    assert comings[-1] - comings[0] >= LEAST_SPREAD_S
    ratio = peak_over_mean(comings)
    tell(f"{len(comings)} streams opened in {comings[-1] - comings[0]:.1f} s, the most in a second {ratio:.2f} times the mean")
    assert ratio <= MOST_PEAK


async def nothing_is_lost(load: People) -> None:
    await load.stop_publishing()
    await load.caught_up()
    tell(load.told())
    faults = load.history.faults()
    assert not faults, (summary(faults), faults[:5])
    assert await load.inbox_faults() == []
    assert load.history.count("accepted") > 0


def tell(text: str) -> None:
    """Seen with `pytest -s`."""
    sys.stderr.write(f"\n{text}")
