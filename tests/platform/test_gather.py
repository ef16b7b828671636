"""Gathering: while one batch runs, the next collects."""

import asyncio

import pytest

from tidings.platform.gather import Gather


async def test_callers_that_come_while_a_batch_runs_share_the_next_one() -> None:
    batches: list[list[int]] = []
    gate = asyncio.Event()

    async def load(keys: list[int]) -> dict[int, int]:
        batches.append(keys)
        await gate.wait()
        return {key: key * 2 for key in keys}

    gather = Gather(load)
    first = gather.get(1)
    await asyncio.sleep(0)
    rest = [gather.get(key) for key in (2, 3, 2)]
    gate.set()
    assert await first == 2
    assert await asyncio.gather(*rest) == [4, 6, 4]
    assert batches == [[1], [2, 3]]


async def test_an_error_for_one_key_reaches_only_its_callers() -> None:
    async def load(keys: list[str]) -> dict[str, str | Exception]:
        return {"good": "fine", "bad": ValueError("bad")}

    gather = Gather(load)
    good, bad, unknown = gather.get("good"), gather.get("bad"), gather.get("unknown")
    assert await good == "fine"
    with pytest.raises(ValueError, match="bad"):
        await bad
    with pytest.raises(KeyError):
        await unknown


async def test_a_failed_batch_fails_its_callers_and_the_next_one_works() -> None:
    failing = True

    async def load(keys: list[int]) -> dict[int, int]:
        if failing:
            raise OSError("away")
        return dict.fromkeys(keys, 1)

    gather = Gather(load)
    with pytest.raises(OSError, match="away"):
        await gather.get(1)
    failing = False
    assert await gather.get(1) == 1
