"""Everything is killed at random while 200 notifications a second go out. Nothing accepted is lost, shown twice or out of order.

CHAOS_SECONDS=600 CHAOS_SEED=7 pytest -s tests/faults/test_zz_chaos.py runs it longer, with the seed of another run.
"""

import os
import time
from pathlib import Path

import pytest
from faults.chaos import wreak
from faults.deployment import Deployment
from faults.history import summary
from faults.load import Load

SECONDS = float(os.environ.get("CHAOS_SECONDS") or 30)


async def test_random_kills_lose_nothing_repeat_nothing_and_keep_the_order(
    tmp_path: Path, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def tell(text: str) -> None:
        with capsys.disabled():
            os.write(2, f"\nchaos {text}".encode())

    async with (
        Deployment(tmp_path / "state", apis=2, sequencers=2) as deployment,
        Load(deployment.bases, await deployment.new_project(), seed=seed) as load,
    ):
        began = time.monotonic()
        chaos = await wreak(deployment, load, seed, SECONDS, tell)
        faults = load.history.faults()
        assert not faults, (seed, summary(faults), faults[:20])
        assert await load.inbox_faults() == []
        assert load.surprises == []
        # A repeat would need a client that got an event and forgot it: there is none.
        assert load.history.repeats <= load.history.received * 0.001
        assert load.history.count("accepted") > 100 * SECONDS, (load.told(), time.monotonic() - began)
        assert chaos.deaths == []
        assert sum(chaos.kills.values()) > SECONDS / 6
