"""Follows every shard's log: live from its Redis Stream, and from PostgreSQL wherever Redis has a hole or is away.

One XREAD per process and shard, not per client: 300 streams held 301 Redis connections and 16 times the CPU. Positions are dense, so a
hole shows at once (failovers lose acknowledged entries), and PostgreSQL, asked four times a second for its heads, shows what never came.
Nothing here ends the process: whatever is away is waited for.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Any

from loguru import logger

from tidings.events.backlog import WAITING, estimate
from tidings.events.cursor import Cursor
from tidings.events.entry import LogEvent
from tidings.events.live import stream_key
from tidings.events.log import read_after
from tidings.events.reader import Reader
from tidings.platform.ending import end_tasks
from tidings.platform.metrics import BACKLOG, BACKLOG_OLDEST
from tidings.platform.postgres import POSTGRES_AWAY, Database
from tidings.platform.redis import REDIS_AWAY, open_redis
from tidings.settings import Settings
from tidings.stream.preload import preload
from tidings.stream.shard import Shard
from tidings.stream.window import Budget

BLOCK_MS = 1000
BATCH = 500
POLL_S = 0.25
# PostgreSQL may be ahead of the stream for as long as an XADD takes; for longer, the stream has lost something.
GRACE_S = 0.3
LONGEST_BACKOFF_S = 1.0

Deliver = Callable[[Shard, Sequence[LogEvent]], None]
Ended = Callable[[Shard, str], None]


class Follower:
    """deliver: takes in the next events of a shard, synchronously.   ended: told of a shard whose history has ended, after its restart."""

    def __init__(self, database: Database, redis_url: str, settings: Settings, deliver: Deliver, ended: Ended) -> None:
        self.database = database
        self.redis_url = redis_url
        self.settings = settings
        self.deliver = deliver
        self.ended = ended
        self.budget = Budget(settings.hot_window_bytes)
        self.shards: dict[int, Shard] = {}
        self.tasks: list[asyncio.Task[None]] = []
        self.postgres_away = False

    async def start(self) -> None:
        """Returns when every shard's hot window is loaded; waits for PostgreSQL as long as it takes."""
        while not await self.try_poll() or not self.shards:
            await asyncio.sleep(POLL_S)
        self.tasks.append(asyncio.create_task(self.poll_for_ever()))

    async def stop(self) -> None:
        await end_tasks(self.tasks)

    @property
    def redis_away(self) -> bool:
        return any(shard.redis_away for shard in self.shards.values())

    # PostgreSQL: the truth, asked now and then

    async def poll_for_ever(self) -> None:
        while True:
            await asyncio.sleep(POLL_S)
            try:
                await self.try_poll()
            except Exception:
                # Whatever it was, without this loop nothing fills holes and no new history is noticed.
                logger.exception("PostgreSQL could not be followed; trying again")
                await asyncio.sleep(1)

    async def try_poll(self) -> bool:
        try:
            await self.poll()
        except POSTGRES_AWAY as error:
            if not self.postgres_away:
                logger.warning("PostgreSQL is away ({}); open streams wait", type(error).__name__)
            self.postgres_away = True
            return False
        if self.postgres_away:
            logger.info("PostgreSQL is back")
        self.postgres_away = False
        return True

    async def poll(self) -> None:
        let_in = {number: shard.backlog.let_in for number, shard in self.shards.items()}
        for number, epoch, head, oldest_s, *looked_at in await self.database.system.fetch(WAITING, timeout=5):
            shard = self.shards.get(number)
            if shard is None:
                await self.begin(number, epoch, head)
                continue
            shard.backlog.told(estimate(*looked_at), head, let_in[number])
            BACKLOG.labels(number).set(shard.backlog.said)
            BACKLOG_OLDEST.labels(number).set(max(0.0, oldest_s or 0.0))
            if shard.epoch != epoch:
                await self.begin_again(shard, epoch, head)
            elif self.is_left_behind(shard, head):
                await self.fill(shard, head)

    def is_left_behind(self, shard: Shard, head: int) -> bool:
        if shard.position >= head:
            shard.behind_since = None
            return False
        if shard.redis_away:
            return True
        now = time.monotonic()
        if shard.behind_since is None or shard.behind_at != shard.position:
            # It moves, so it is only late.
            shard.behind_since, shard.behind_at = now, shard.position
        return now - shard.behind_since >= GRACE_S - POLL_S / 2

    async def begin(self, number: int, epoch: str, head: int) -> None:
        shard = Shard(number, epoch, head, self.settings.hot_window_events, self.budget)
        await preload(self.database, self.redis_url, shard)
        self.shards[number] = shard
        self.tasks.append(asyncio.create_task(self.read_for_ever(shard)))

    async def begin_again(self, shard: Shard, epoch: str, head: int) -> None:
        async with shard.appending:
            logger.warning("shard {}: a new history begins, epoch {} after {}", shard.number, epoch, shard.epoch)
            shard.restart(epoch, head)
            self.ended(shard, "epoch")

    async def fill(self, shard: Shard, up_to: int) -> None:
        """Take what is missing from the log."""
        epoch = shard.epoch
        while shard.position < up_to and shard.epoch == epoch:
            async with self.database.system.acquire() as connection:
                events = await read_after(connection, shard.number, shard.position, BATCH, up_to=up_to)
            async with shard.appending:
                if shard.epoch != epoch:
                    return
                fresh = [event for event in events if event.position > shard.position]
                if not events:
                    return
                if fresh and fresh[0].position != shard.position + 1:
                    # Older than the log's retention: this process slept for weeks, or the log was cut.
                    shard.restart(epoch, fresh[0].position - 1)
                    self.ended(shard, "trimmed")
                if fresh:
                    self.deliver(shard, fresh)

    # Redis: the live end

    async def read_for_ever(self, shard: Shard) -> None:
        backoff = 0.05
        while True:
            redis = open_redis(self.redis_url, socket_timeout=BLOCK_MS / 1000 + 2, health_check_interval=0)
            epoch = shard.epoch
            reader = Reader(redis, stream_key(epoch, shard.number), BATCH, BLOCK_MS)
            try:
                while shard.epoch == epoch:
                    await self.read(reader, shard)
                    backoff = 0.05
                    self.note_back(shard)
            except (*REDIS_AWAY, *POSTGRES_AWAY) as error:
                self.note_away(shard, error)
            except Exception:
                # It is read again each second until it is gone: one line says so.
                if not shard.redis_away:
                    logger.exception("shard {}: an entry of the stream could not be taken in; following PostgreSQL", shard.number)
                shard.redis_away = True
            finally:
                await reader.close()
                await close_quietly(redis)
            await asyncio.sleep(backoff)
            backoff = min(2 * backoff, LONGEST_BACKOFF_S)

    async def read(self, reader: Reader, shard: Shard) -> None:
        epoch = shard.epoch
        events = await reader.after(shard.position)
        if not events:
            return
        hole_at = first_hole(events, shard.position)
        if hole_at is not None:
            await self.fill(shard, events[hole_at].position - 1)
        async with shard.appending:
            fresh = [event for event in events if event.position > shard.position]
            if shard.epoch != epoch or not fresh:
                return
            if first_hole(fresh, shard.position) is None:
                self.deliver(shard, fresh)
                return
        # PostgreSQL has not what Redis has (a replica took over?): the next poll tells more.
        await asyncio.sleep(POLL_S)

    def note_away(self, shard: Shard, error: BaseException) -> None:
        if not shard.redis_away:
            logger.warning("shard {}: its stream is away ({}); following PostgreSQL", shard.number, type(error).__name__)
        shard.redis_away = True

    def note_back(self, shard: Shard) -> None:
        if shard.redis_away:
            logger.info("shard {}: its stream is back", shard.number)
        shard.redis_away = False


def first_hole(events: Sequence[LogEvent], position: int) -> int | None:
    """The index of the first event whose predecessor is missing; events up to `position` do not count. The positions rise."""
    if events and events[0].position == position + 1 and events[-1].position == position + len(events):
        return None
    for index, event in enumerate(events):
        if event.position > position:
            if event.position != position + 1:
                return index
            position = event.position
    return None


async def heads_of(database: Database, shards: Sequence[int]) -> dict[int, Cursor]:
    """The ends of the log as PostgreSQL has them now."""
    rows = await database.system.fetch("SELECT shard, epoch, head FROM shards WHERE shard = ANY($1::smallint[])", shards)
    return {row["shard"]: Cursor(row["epoch"], row["head"]) for row in rows}


async def close_quietly(redis: Any) -> None:
    with contextlib.suppress(*REDIS_AWAY):
        await redis.aclose()
