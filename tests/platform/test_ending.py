"""Ending tasks for certain, also those that swallow it, by one that is ended itself."""

import asyncio

from tidings.platform.ending import end_tasks


async def test_what_is_told_to_end_while_it_ends_others_leaves_none_behind() -> None:
    times = 0

    async def swallows() -> None:
        """As redis-py may, three times."""
        nonlocal times
        while times < 3:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                times += 1

    inner = asyncio.create_task(swallows())
    await asyncio.sleep(0)
    outer = asyncio.create_task(end_tasks([inner]))
    await asyncio.sleep(0)
    await asyncio.wait_for(end_tasks([outer]), 20)
    assert inner.done()
    assert outer.cancelled()
