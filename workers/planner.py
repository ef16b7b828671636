"""The planner's process: turns the log into deliveries, and hands what is due to the workers."""

import asyncio
import contextlib
import time

import asyncpg
from arq.connections import ArqRedis

from tidings.deliveries.connectors.registry import NEVER_TWICE
from tidings.deliveries.ledger.clock import time_of
from tidings.deliveries.ledger.dispatch import dispatch
from tidings.deliveries.ledger.expansion import expand_next
from tidings.deliveries.ledger.hold import hold_next
from tidings.deliveries.ledger.lost import take_back
from tidings.deliveries.ledger.plan import plan_next
from tidings.deliveries.ledger.replays import advance_one
from tidings.deliveries.ledger.session import SESSION
from tidings.deliveries.ledger.wanted import Wishes
from tidings.deliveries.levels.burning import observe_levels
from tidings.deliveries.levels.checking import check_levels
from tidings.deliveries.levels.gauges import observe_ledger
from tidings.deliveries.sending.queue import enqueue, open_queue, show_queue, waiting_jobs
from tidings.events.live import stream_key
from tidings.events.log import heads
from tidings.events.reader import Reader
from tidings.platform.postgres import NOT_YET
from tidings.platform.redis import REDIS_AWAY, open_redis
from tidings.platform.server_figures import observe_server
from tidings.settings import Settings
from workers.keeping import keep_doing, pool_when_there
from workers.listening import listening

NAME = "planner"
# Between two looks at the lanes when nothing was planned in between.
DISPATCH_IDLE_S = 0.02
DISPATCH_BUSY_S = 0.002
# After so long without anything due, retries are all that can come of itself: they are seconds apart, and looking costs a core and
# PostgreSQL.
QUIET_AFTER_S = 2.0
DISPATCH_QUIET_S = 0.16
SWEEP_IDLE_S = 1.0
# Workers that could not reach PostgreSQL any more than we could renew and settle within so long, once it is back.
BACK_WITHIN_S = 5.0
REPLAY_IDLE_S = 0.25
EXPAND_IDLE_S = 0.25
CHECK_IDLE_S = 30.0
SHARDS_IDLE_S = 5.0
OBSERVE_IDLE_S = 2.0
# Of the time that it took: a backlog of millions is counted for seconds, and that must cost the ledger a twentieth of a connection at most.
OBSERVE_REST = 20
# Redis tells of news at once; without it, PostgreSQL is asked so often.
BLOCK_MS = 500
POLL_S = 0.25
# Jobs that wait in Redis, at most: beyond it there are too few workers, and leases would run out before their turn.
MOST_WAITING_JOBS = 200


async def main(settings: Settings) -> None:
    """Runs until cancelled."""
    assert settings.database_url is not None
    assert settings.redis_url is not None
    async with listening(settings), asyncio.TaskGroup() as tasks:
        pool = await pool_when_there(settings.database_url, "tidings planner", size=8, **SESSION)
        planner = Planner(pool, open_queue(settings.redis_url))
        logs = Logs(pool, settings.stream_redis_url or settings.redis_url, planner.news, tasks)
        tasks.create_task(keep_doing(NAME, "shards", logs.begin_new, SHARDS_IDLE_S))
        if settings.metrics_port:
            tasks.create_task(keep_doing(NAME, "figures", planner.observe, OBSERVE_IDLE_S))
            tasks.create_task(keep_doing(NAME, "figures of the queue", planner.observe_queue, OBSERVE_IDLE_S))
        tasks.create_task(keep_doing(NAME, "dispatch", planner.dispatch, 0))
        tasks.create_task(keep_doing(NAME, "leases", planner.sweep, SWEEP_IDLE_S))
        tasks.create_task(keep_doing(NAME, "large audiences", planner.expand, EXPAND_IDLE_S))
        tasks.create_task(keep_doing(NAME, "service levels", planner.check, CHECK_IDLE_S))
        tasks.create_task(keep_doing(NAME, "replays", planner.replay, REPLAY_IDLE_S))


class Logs:
    """A task for each shard that there is. Shards are added while planners run (`tidings migrate` with more TIDINGS_SHARDS)."""

    def __init__(self, pool: asyncpg.Pool, redis_url: str, news: asyncio.Event, tasks: asyncio.TaskGroup) -> None:
        self.pool = pool
        self.redis_url = redis_url
        self.news = news
        self.tasks = tasks
        self.planned: set[int] = set()

    async def begin_new(self) -> bool:
        shards = [row[0] for row in await self.pool.fetch("SELECT shard FROM planned ORDER BY shard")]
        for shard in shards:
            if shard not in self.planned:
                log = ShardLog(self.pool, self.redis_url, shard, self.news)
                self.tasks.create_task(keep_doing(NAME, f"planning shard {shard}", log.plan, 0))
                self.planned.add(shard)
        return False


class ShardLog:
    """A shard's log on its way into the ledger. news: set when something was planned."""

    def __init__(self, pool: asyncpg.Pool, redis_url: str, shard: int, news: asyncio.Event) -> None:
        self.pool = pool
        self.redis = open_redis(redis_url)
        self.shard = shard
        self.news = news
        self.wishes = Wishes()
        self.position = 0
        self.epoch = ""
        self.reader: Reader | None = None

    async def plan(self) -> bool:
        """Plan all there is, then wait for more."""
        async with self.pool.acquire() as connection:
            planned = await plan_next(connection, self.shard, self.wishes)
            if planned.deliveries:
                self.news.set()
            if planned.position is None:
                # Another planner has it. Its destinations may change without our seeing it.
                self.wishes = Wishes()
                await asyncio.sleep(POLL_S)
                return True
            self.position = planned.position
            if not planned.is_all:
                return True
            await self.see_epoch(connection)
        await self.wait_for_news()
        return True

    async def see_epoch(self, connection: asyncpg.Connection) -> None:
        epoch = (await heads(connection))[self.shard].epoch
        if epoch != self.epoch:
            self.epoch = epoch
            self.reader = Reader(self.redis, stream_key(epoch, self.shard), most=1, block_ms=BLOCK_MS)

    async def wait_for_news(self) -> None:
        """What the stream says is only a sign; it is read in PostgreSQL."""
        assert self.reader is not None
        try:
            await self.reader.after(self.position)
        except (*REDIS_AWAY, ValueError):
            await asyncio.sleep(POLL_S)


class Planner:
    def __init__(self, pool: asyncpg.Pool, queue: ArqRedis) -> None:
        self.pool = pool
        self.queue = queue
        self.news = asyncio.Event()
        self.idle_s = DISPATCH_IDLE_S
        self.clock = asyncio.get_running_loop().time
        self.quiet_from = self.clock()
        self.sweeps_from = self.clock() + BACK_WITHIN_S

    async def dispatch(self) -> bool:
        """Hand on what is due, at once when something was planned. Redis is asked first, so that nothing is leased while it is away."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.news.wait(), self.idle_s)
        has_news = self.news.is_set()
        self.news.clear()
        self.idle_s = DISPATCH_IDLE_S
        if await waiting_jobs(self.queue) > MOST_WAITING_JOBS:
            return True
        async with self.pool.acquire() as connection:
            now = await time_of(connection)
            dispatched = await dispatch(connection, now)
        await enqueue(self.queue, dispatched.ids, now)
        if has_news or dispatched.ids:
            self.quiet_from = self.clock() + QUIET_AFTER_S
        elif self.clock() > self.quiet_from:
            self.idle_s = DISPATCH_QUIET_S
        if dispatched.ids:
            # Where there was something, there is more as soon as some of it is settled.
            self.idle_s = DISPATCH_BUSY_S
        return True

    async def expand(self) -> bool:
        async with self.pool.acquire() as connection:
            return await expand_next(connection)

    async def check(self) -> bool:
        async with self.pool.acquire() as connection:
            await check_levels(connection, await time_of(connection))
        return False

    async def observe(self) -> bool:
        begun = time.perf_counter()
        async with self.pool.acquire() as connection:
            now = await time_of(connection)
            await observe_ledger(connection, now)
            await observe_levels(connection, now)
            await observe_server(connection)
        await asyncio.sleep(OBSERVE_REST * (time.perf_counter() - begun))
        return False

    async def observe_queue(self) -> bool:
        """Apart from the ledger's, which would be counted again without a rest while Redis is away."""
        async with self.pool.acquire() as connection:
            now = await time_of(connection)
        await show_queue(self.queue, now)
        return False

    async def sweep(self) -> bool:
        try:
            async with self.pool.acquire() as connection:
                now = await time_of(connection)
                taken = self.clock() >= self.sweeps_from and await take_back(connection, now, NEVER_TWICE)
                held = await hold_next(connection)
        except NOT_YET:
            self.sweeps_from = self.clock() + BACK_WITHIN_S
            raise
        return taken or held

    async def replay(self) -> bool:
        async with self.pool.acquire() as connection:
            return await advance_one(connection, await time_of(connection))
