"""Telling a task to end at each of its awaits, one after the other."""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import Any

ENDS_WITHIN_S = 10.0


class Stepped:
    """Runs a coroutine, and says each time that it is about to wait."""

    def __init__(self, work: Coroutine[Any, Any, Any], about_to_wait: Callable[[], None]) -> None:
        self.work = work
        self.about_to_wait = about_to_wait

    def __await__(self) -> Generator[Any, None, Any]:
        step: Callable[[], Any] = partial(self.work.send, None)
        while True:
            try:
                waits_for = step()
            except StopIteration as ended:
                return ended.value
            self.about_to_wait()
            try:
                yield waits_for
            except GeneratorExit:
                self.work.close()
                raise
            except BaseException as error:
                step = partial(self.work.throw, error)
            else:
                step = partial(self.work.send, None)


class AwaitsCounted:
    """The tasks that begin meanwhile, together. reached: when they have waited so many times."""

    def __init__(self, number: int) -> None:
        self.left = number
        self.reached = asyncio.Event()

    def count(self) -> None:
        self.left -= 1
        if self.left <= 0:
            self.reached.set()

    def task(self, loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
        async def stepped() -> Any:
            return await Stepped(work, self.count)

        task = asyncio.Task(stepped(), loop=loop, **options)
        # One that ends before it begins leaves it as it was, and Python would say that nobody awaited it.
        task.add_done_callback(lambda _: work.close())
        return task


async def ends_when_told_at(number: int, make: Callable[[], Coroutine[Any, Any, Any]]) -> bool:
    """Whether the work ends by its cancellation at that await, of its own or of a task that it began."""
    loop, counted = asyncio.get_running_loop(), AwaitsCounted(number)
    loop.set_task_factory(counted.task)
    try:
        task = loop.create_task(make())
        await asyncio.wait_for(counted.reached.wait(), ENDS_WITHIN_S)
        task.cancel()
        ended, _ = await asyncio.wait([task], timeout=ENDS_WITHIN_S)
    finally:
        loop.set_task_factory(None)
    return bool(ended) and task.cancelled()
