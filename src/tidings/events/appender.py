"""Keeps a shard's Redis Stream at the head of its log, for one leader in one term.

Sequencing never waits for Redis: what the leader moved waits here, and what waited too long is read again from PostgreSQL.
"""

import asyncio
import time
from collections import deque
from typing import Any

import asyncpg
from loguru import logger

from tidings.events.entry import LogEvent
from tidings.events.lease import Lease
from tidings.events.line import Line
from tidings.events.live import StreamLost, last_position, stream_key
from tidings.events.log import heads, read_after
from tidings.events.traced import record_written
from tidings.platform.postgres import POSTGRES_AWAY
from tidings.platform.redis import REDIS_AWAY

BATCH = 1000
LONGEST_BACKOFF_S = 1.0
IDLE_CHECK_S = 1.0


class StreamAhead(Exception):
    """The stream holds positions that the log never gave: its history is not ours."""


class Appender:
    """`offer` takes events just sequenced; `run` appends them, and fills what the stream lacks."""

    def __init__(self, redis: Any, pool: asyncpg.Pool, lease: Lease, window: int) -> None:
        self.redis = redis
        self.pool = pool
        self.lease = lease
        self.window = window
        self.key = stream_key(lease.epoch, lease.shard)
        self.line = Line(redis, self.key, window)
        # More than this is read again from the log: it bounds memory while Redis is away.
        self.waiting: deque[LogEvent] = deque(maxlen=window)
        self.offered = asyncio.Event()
        self.appended = -1  # -1: not known what the stream holds
        self.away = False

    def offer(self, events: list[LogEvent]) -> None:
        self.waiting.extend(events)
        self.offered.set()

    async def run(self) -> None:
        """Runs until cancelled. Raises StreamAhead when a new epoch is needed."""
        try:
            await self.append_for_ever()
        finally:
            await self.line.close()

    async def append_for_ever(self) -> None:
        backoff = 0.05
        while True:
            try:
                await self.step()
                backoff = 0.05
                self.note_back()
            except StreamLost:
                self.appended = -1
            except (*REDIS_AWAY, *POSTGRES_AWAY) as error:
                self.appended = -1
                self.note_away(error)
                await asyncio.sleep(backoff)
                backoff = min(2 * backoff, LONGEST_BACKOFF_S)

    async def step(self) -> None:
        if self.appended < 0:
            await self.fill()
        elif self.waiting:
            await self.append_waiting()
        else:
            await self.wait_or_check()

    async def wait_or_check(self) -> None:
        self.offered.clear()
        try:
            # Not asyncio.wait_for: in Python 3.11 it swallows a cancellation that comes together with the event.
            async with asyncio.timeout(IDLE_CHECK_S):
                await self.offered.wait()
        except TimeoutError:
            # Nobody publishes, but the stream may have been lost or replaced by another one meanwhile.
            if await last_position(self.redis, self.key) != self.appended:
                self.appended = -1

    async def append_waiting(self) -> None:
        batch = [self.waiting.popleft() for _ in range(min(BATCH, len(self.waiting)))]
        fresh = [event for event in batch if event.position > self.appended]
        if not fresh:
            return
        if fresh[0].position != self.appended + 1:  # some fell out of the bound
            self.appended = -1
            return
        begun_ns = time.time_ns()
        passed = await self.line.append(fresh)
        record_written(fresh, "append to the live stream", begun_ns)
        # Somebody else wrote there, perhaps of another history: look at how far the stream goes.
        self.appended = -1 if passed else fresh[-1].position

    async def fill(self) -> None:
        """Append what the log has and the stream lacks, at most one window."""
        # The stream first: what it holds was in the log before, also when a successor of ours writes both.
        position = await last_position(self.redis, self.key)
        async with self.pool.acquire() as connection:
            head = (await heads(connection))[self.lease.shard].position
        if position > head:
            raise StreamAhead(f"the stream ends at {position}, the log at {head}")
        position = max(position, head - self.window)
        while position < head:
            async with self.pool.acquire() as connection:
                events = await read_after(connection, self.lease.shard, position, BATCH, up_to=head)
            if not events:  # the log no longer has them
                position = head
                break
            await self.line.append(events, create=True)
            position = events[-1].position
        self.appended = position
        if position == 0:
            await self.wait_for_first()

    async def wait_for_first(self) -> None:
        """An empty log has an empty stream; the first event makes it."""
        while not self.waiting:
            self.offered.clear()
            await self.offered.wait()
        first = self.waiting.popleft()
        await self.line.append([first], create=True)
        self.appended = first.position

    def note_away(self, error: BaseException) -> None:
        if not self.away:
            logger.warning("shard {}: Redis is away ({}); the log goes on without it", self.lease.shard, type(error).__name__)
        self.away = True

    def note_back(self) -> None:
        if self.away:
            logger.info("shard {}: Redis is back; the stream stands at {}", self.lease.shard, self.appended)
        self.away = False
