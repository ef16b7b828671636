"""Room for requests, and whose turn it is: a slot is never lost, whenever one of those who wait gives up."""

import asyncio

import pytest

from tidings.outbound.pool import Place, Pool

PLACE: Place = ("https", "example.com", 443)


@pytest.fixture
async def full() -> Pool:
    pool = Pool(1)
    assert pool.enter_at_once()
    return pool


async def waiter(pool: Pool, place: Place = PLACE) -> asyncio.Task[None]:
    task = asyncio.create_task(pool.enter(place))
    await asyncio.sleep(0)
    return task


@pytest.mark.parametrize("place", [PLACE, ("https", "other.example.com", 443)])
async def test_who_gave_up_just_before_its_turn_is_passed_over(full: Pool, place: Place) -> None:
    gone, next_one = await waiter(full), await waiter(full, place)
    gone.cancel()
    full.leave()
    with pytest.raises(asyncio.CancelledError):
        await gone
    await asyncio.wait_for(next_one, 5)
    full.leave()
    assert (full.busy, full.waiting) == (0, {})


async def test_where_all_who_wait_have_given_up_there_is_room_again(full: Pool) -> None:
    gone = [await waiter(full) for _ in range(3)]
    for task in gone:
        task.cancel()
    full.leave()
    assert full.enter_at_once()
    assert [type(error) for error in await asyncio.gather(*gone, return_exceptions=True)] == [asyncio.CancelledError] * 3
    full.leave()
    assert (full.busy, full.waiting) == (0, {})


@pytest.mark.parametrize("others", [0, 1])
async def test_who_gives_up_just_after_its_turn_came_hands_it_on(full: Pool, others: int) -> None:
    gone, left = await waiter(full), [await waiter(full) for _ in range(others)]
    full.leave()
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    for task in left:
        await asyncio.wait_for(task, 5)
        full.leave()
    assert (full.busy, full.waiting) == (0, {})
