"""Ending tasks for certain.

One cancel() is not enough for what talks to Redis: redis-py sends by asyncio.wait_for, which in Python 3.11 swallows a cancellation that
comes together with what it waits for, and then the task goes on for ever.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

PATIENCE_S = 1.0


def end_if_told() -> None:
    """For loops that go on after failures. What was told to end ends, also where what it awaited swallowed that, or answered it with an
    error of its own, as a pool of connections may when it is closed. Raises CancelledError.
    """
    this = asyncio.current_task()
    if this is not None and this.cancelling():
        raise asyncio.CancelledError


async def end_tasks(tasks: Iterable[asyncio.Task[Any] | None]) -> None:
    """Cancel them, again if need be, and wait until they have ended, however they do.

    Also when it is told to end itself meanwhile, as by another one that has lost its patience: what it left would go on for ever.
    """
    left, is_told = {task for task in tasks if task is not None}, False
    while left:
        for task in left:
            task.cancel()
        try:
            await asyncio.wait(left, timeout=PATIENCE_S)
        except asyncio.CancelledError:
            is_told = True
        for task in {task for task in left if task.done()}:
            # Looked at, so that nobody is told that it was not.
            _ = task.cancelled() or task.exception()
            left.remove(task)
    if is_told:
        raise asyncio.CancelledError
