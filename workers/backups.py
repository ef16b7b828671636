"""The backups' process: does what the schedule or somebody asked for, one at a time over all of them."""

import asyncio
import os
import socket

import asyncpg
from loguru import logger

from tidings.backups.doing import Doer
from tidings.backups.drafts import place_of, resumable
from tidings.backups.figures import observe_backups
from tidings.backups.journal import Journal
from tidings.backups.queue import open_queue, worker_on
from tidings.backups.runs import Run, ask
from tidings.backups.schedule import ask_for_due, keep_schedule
from tidings.backups.streaming import stream_wal
from tidings.deliveries.ledger.clock import time_of
from tidings.platform.redis import REDIS_AWAY
from tidings.settings import Settings
from workers.keeping import AWAY_S, keep_doing, pool_when_there
from workers.listening import listening

NAME = "backups"
# ARQ tells of news at once; without it, PostgreSQL is asked so often.
IDLE_S = 5.0
OBSERVE_IDLE_S = 10.0
JOURNAL_IDLE_S = 1.0
# Between two attempts at an upload that was cut off: each takes as long as its patience lasts, and nothing else runs meanwhile.
RESUME_EVERY_S = 60.0


async def main(settings: Settings) -> None:
    """Runs until cancelled. What is under way then is begun anew by the next worker."""
    assert settings.database_url is not None
    assert settings.redis_url is not None
    place = place_of(settings)
    async with listening(settings), asyncio.TaskGroup() as tasks:
        pool = await pool_when_there(settings.database_url, "tidings backups")
        news = asyncio.Event()
        runs = Runs(Doer(settings, place, pool, f"{socket.gethostname()}:{os.getpid()}"), news)
        tasks.create_task(keep_doing(NAME, "runs", runs.advance, 0))
        tasks.create_task(keep_doing(NAME, "figures", lambda: observe(pool), OBSERVE_IDLE_S))
        tasks.create_task(keep_doing(NAME, "the journal", Journal(place, pool).advance, JOURNAL_IDLE_S))
        if any(task == "physical" for task, _, _ in settings.backup_schedule):
            tasks.create_task(stream_wal(settings, place, lambda: ask_for_base(pool)))
        tasks.create_task(take_wakes(settings.redis_url, news))


class Runs:
    """resumes_at: by the loop's clock."""

    def __init__(self, doer: Doer, news: asyncio.Event) -> None:
        self.doer = doer
        self.news = news
        self.resumes_at = 0.0

    async def advance(self) -> bool:
        await self.ask_for_due()
        # As long as an upload cannot be ended nothing new begins: the spool would fill with one dump after the other.
        done = await self.resume() if resumable(self.doer.place.spool) else await self.doer.do_next()
        if done is None:
            await self.wait_for_news()
        else:
            await observe(self.doer.pool)
        return True

    async def resume(self) -> Run | None:
        clock = asyncio.get_running_loop().time
        if clock() < self.resumes_at:
            return None
        done = await self.doer.resume_next()
        if done is not None and done.state == "failed":
            self.resumes_at = clock() + RESUME_EVERY_S
        return done

    async def ask_for_due(self) -> None:
        async with self.doer.pool.acquire() as connection:
            now = await time_of(connection)
            await keep_schedule(connection, self.doer.settings, now)
            await ask_for_due(connection, now)

    async def wait_for_news(self) -> None:
        try:
            await asyncio.wait_for(self.news.wait(), IDLE_S)
        except TimeoutError:
            return
        self.news.clear()


async def ask_for_base(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as connection:
        await ask(connection, "physical", "wal", await time_of(connection))


async def observe(pool: asyncpg.Pool) -> bool:
    async with pool.acquire() as connection:
        await observe_backups(connection)
    return False


async def take_wakes(redis_url: str, news: asyncio.Event) -> None:
    """ARQ's worker ends when Redis goes away; then another begins."""
    is_told = False
    while True:
        queue = open_queue(redis_url)
        try:
            await worker_on(queue, news).async_run()
        except REDIS_AWAY as error:
            if not is_told:
                logger.warning("Redis is away ({}); what is due is looked for every {:g} s", type(error).__name__, IDLE_S)
            is_told = True
        finally:
            await queue.aclose(close_connection_pool=True)
        await asyncio.sleep(AWAY_S)
