"""Work that is cheaper together: while one batch runs, the next gathers. No timer, so a single caller never waits for company."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Gather(Generic[K, V]):
    """`await gather.get(key)` answers what `load` says of the key; callers of the same batch share one load.

    load: called with distinct keys, in the order they came; answers a value, or an exception to raise, for each key it knows.
    A key it does not answer raises KeyError. limit: keys in one batch.
    """

    def __init__(self, load: Callable[[list[K]], Awaitable[Mapping[K, V | Exception]]], limit: int = 1000) -> None:
        self.load = load
        self.limit = limit
        self.waiting: dict[K, list[asyncio.Future[V]]] = {}
        self.running: asyncio.Task[None] | None = None

    @property
    def idle(self) -> bool:
        return self.running is None

    def get(self, key: K) -> asyncio.Future[V]:
        # One future per caller: asyncio.shield on a shared one costs 40 %.
        future: asyncio.Future[V] = asyncio.get_running_loop().create_future()
        self.waiting.setdefault(key, []).append(future)
        if self.running is None:
            self.running = asyncio.create_task(self.run())
        return future

    async def run(self) -> None:
        while self.waiting:
            batch = self.take()
            try:
                answers = await self.load(list(batch))
            except BaseException as error:
                settle_all(batch, error if isinstance(error, Exception) else ConnectionError("stopped"))
                if not isinstance(error, Exception):
                    self.running = None
                    raise
            else:
                for key, futures in batch.items():
                    settle(futures, answers.get(key, KeyError(key)))
        self.running = None

    def take(self) -> dict[K, list[asyncio.Future[V]]]:
        if len(self.waiting) <= self.limit:
            batch, self.waiting = self.waiting, {}
            return batch
        return {key: self.waiting.pop(key) for key in list(self.waiting)[: self.limit]}


def settle(futures: list[asyncio.Future[V]], answer: V | Exception) -> None:
    for future in futures:
        if future.done():  # its caller went away
            continue
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)


def settle_all(batch: dict[K, list[asyncio.Future[V]]], error: Exception) -> None:
    for futures in batch.values():
        settle(futures, error)
