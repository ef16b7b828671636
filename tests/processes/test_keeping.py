"""The loops of the workers."""

import asyncio

from workers.keeping import keep_doing


async def test_a_loop_ends_when_it_is_told_to_even_if_its_work_swallowed_that() -> None:
    begun = asyncio.Event()

    async def work() -> bool:
        try:
            begun.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            # As asyncio.wait_for does in Python 3.11 when what it waits for comes at the same time.
            return True
        return False

    loop = asyncio.create_task(keep_doing("test", "swallowing", work, 0))
    await begun.wait()
    loop.cancel()
    # Once, as a TaskGroup does.
    ended, _ = await asyncio.wait([loop], timeout=20)
    assert ended and loop.cancelled()
