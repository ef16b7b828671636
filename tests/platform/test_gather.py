"""Gathering: while one batch runs, the next collects."""

import asyncio

import pytest

from tidings.platform import gather as gathering
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


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A slice is a turn or two of the loop, and only callers end the pause."""
    monkeypatch.setattr(gathering, "SLICE_S", 0)
    monkeypatch.setattr(gathering, "FAST_S", 60)
    monkeypatch.setattr(gathering, "LONGEST_PAUSE_S", 60)
    return monkeypatch


async def call_fast(callers: int) -> list[list[int]]:
    """The batches that are made of so many, one first and then two in each turn of the loop."""
    batches: list[list[int]] = []

    async def load(keys: list[int]) -> dict[int, int]:
        batches.append(keys)
        return {key: key for key in keys}

    gather = Gather(load, paced=True)
    futures = [gather.get(0)]
    await futures[0]
    for key in range(1, callers, 2):
        futures += [gather.get(key), gather.get(key + 1)]
        await asyncio.sleep(0)
    assert await asyncio.gather(*futures) == list(range(callers))
    return batches


async def test_callers_that_keep_coming_fast_gather_until_they_no_longer_do(quick: pytest.MonkeyPatch) -> None:
    assert await call_fast(101) == [[0], list(range(1, 101))]


async def test_no_caller_waits_for_ever_for_others(quick: pytest.MonkeyPatch) -> None:
    quick.setattr(gathering, "LONGEST_PAUSE_S", -1)
    assert len(await call_fast(101)) > 5


async def test_a_full_batch_waits_for_nobody(quick: pytest.MonkeyPatch) -> None:
    batches: list[list[int]] = []

    async def load(keys: list[int]) -> dict[int, int]:
        batches.append(keys)
        return {key: key for key in keys}

    gather = Gather(load, limit=10, paced=True)
    assert await asyncio.gather(*map(gather.get, range(25))) == list(range(25))
    assert [len(batch) for batch in batches] == [10, 10, 5]


async def test_as_many_batches_run_at_once_as_asked_for_and_nobody_is_left_behind() -> None:
    under_way = most = 0
    batches: list[int] = []

    async def load(keys: list[int]) -> dict[int, int]:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        batches.append(len(keys))
        await asyncio.sleep(0.001)
        under_way -= 1
        return {key: key * 2 for key in keys}

    gather = Gather(load, 3, at_once=2)

    async def call(key: int) -> int:
        for _ in range(key % 7):
            await asyncio.sleep(0)
        return await gather.get(key)

    assert await asyncio.gather(*(call(key) for key in range(50))) == [2 * key for key in range(50)]
    assert most == 2
    assert max(batches) == 3
    assert gather.idle
