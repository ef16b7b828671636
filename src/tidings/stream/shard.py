"""What this process knows of a shard's log: how far it has come, and the newest events."""

import asyncio

from tidings.events.backlog import Backlog
from tidings.events.cursor import Cursor
from tidings.stream.window import Budget, HotWindow


class Shard:
    """position: everything up to it is in the window or was, and has been given to the streams.

    backlog: events that wait for their position.   behind_since: since when PostgreSQL is ahead of us.
    """

    def __init__(self, number: int, epoch: str, position: int, most_events: int, budget: Budget) -> None:
        self.number = number
        self.epoch = epoch
        self.position = position
        self.window = HotWindow(position, most_events, budget)
        self.backlog = Backlog(position)
        self.redis_away = False
        self.behind_since: float | None = None
        self.behind_at = position
        # Filling holes and following PostgreSQL both append; one at a time.
        self.appending = asyncio.Lock()
        self.waiting: list[asyncio.Future[None]] = []

    @property
    def cursor(self) -> Cursor:
        return Cursor(self.epoch, self.position)

    def restart(self, epoch: str, position: int) -> None:
        """Another history begins; nothing of the old one holds."""
        self.epoch = epoch
        self.position = position
        self.window.clear(position)
        self.behind_since = None

    def advanced(self) -> asyncio.Future[None]:
        """Done when the next events have been taken in."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append(future)
        return future

    def wake(self) -> None:
        if self.waiting:
            waiting, self.waiting = self.waiting, []
            for future in waiting:
                if not future.done():
                    future.set_result(None)
