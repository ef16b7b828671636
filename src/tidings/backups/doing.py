"""Doing a run: its task under a lease that is renewed, its outcome written down, whatever that is."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

import asyncpg
from loguru import logger

from tidings.backups.drafts import Place, remove_remains, resumable, resume
from tidings.backups.errors import BackupFailed, Damaged
from tidings.backups.logical import result_of
from tidings.backups.pruning import prune, sweep_spool, sweep_store
from tidings.backups.runs import RENEWED_EVERY_S, Run, ask, claim, claim_again, end, forget_old, put_back, renew, state_of, take_back
from tidings.backups.tasks import MAKING, TASKS
from tidings.backups.work import Result, Task, Work
from tidings.deliveries.ledger.clock import time_of
from tidings.platform.ending import end_tasks
from tidings.platform.metrics import BACKUP_FAILURES
from tidings.platform.postgres import POSTGRES_AWAY, Connection
from tidings.settings import Settings

STEPS = {"logical": "make", "physical": "make", "verify": "verify", "drill": "verify"}
# What the schedule asked for and what failed is tried once more, without waiting for its next day.
AGAIN = "again"
AGAIN_AFTER = timedelta(minutes=10)
WRITTEN_WITHIN_S = 60


class Doer:
    """worker: its name in the rows.   watch: shown the run every two seconds."""

    def __init__(
        self, settings: Settings, place: Place, pool: asyncpg.Pool, worker: str, watch: Callable[[Run], None] | None = None
    ) -> None:
        self.settings = settings
        self.place = place
        self.pool = pool
        self.worker = worker
        self.watch = watch

    async def do_next(self, only: str | None = None) -> Run | None:
        """Do the next that waits, if there is one and nothing runs; as it ended.   only: its id."""
        async with self.pool.acquire() as connection:
            now = await self.take_back_lost(connection)
            run = await claim(connection, self.worker, now, only)
        if run is None:
            return None
        await sweep_spool(self.place)
        return await self.do(run, TASKS[run.task])

    async def resume_next(self) -> Run | None:
        """Go on with an upload that was cut off on this machine; as it ended. None when there is none."""
        for backup in resumable(self.place.spool):
            async with self.pool.acquire() as connection:
                now = await self.take_back_lost(connection)
                if await state_of(connection, backup) in (None, "done"):
                    # Of a database that was since restored to an earlier time: nobody waits for it.
                    await remove_remains(self.place, backup)
                    continue
                run = await claim_again(connection, backup, self.worker, now)
            if run is not None:
                return await self.do(run, self.upload_rest)
        return None

    async def take_back_lost(self, connection: Connection) -> datetime:
        """Have runs failed whose worker was lost; the time."""
        now = await time_of(connection)
        # Together with asking for it again: whoever was killed in between would have left that undone.
        async with connection.transaction():
            for lost in await take_back(connection, now):
                await tell_failure(connection, lost, now, goes_on=lost.id in resumable(self.place.spool))
        return now

    async def upload_rest(self, work: Work) -> Result:
        try:
            manifest = await resume(self.place, work.run.id, lambda plain, sent: work.tell("uploading", plain, sent))
        except Damaged:
            await remove_remains(self.place, work.run.id)
            raise
        return result_of(manifest)

    async def do(self, run: Run, task: Task) -> Run:
        logger.info("The {} run {} begins.", run.task, run.id)
        doing = asyncio.create_task(self.outcome_of(run, task), name=run.id)
        keeping = asyncio.create_task(self.keep(run, doing))
        try:
            await asyncio.wait([doing])
        except asyncio.CancelledError:
            await end_tasks([doing, keeping])
            await self.hand_on(run, doing)
            raise
        await end_tasks([keeping])
        await self.end_run(run, BackupFailed("Its lease ran out while it ran.") if doing.cancelled() else doing.result())
        return run

    async def hand_on(self, run: Run, doing: asyncio.Task[Result | BackupFailed]) -> None:
        """What was told to stop is begun anew by the next worker. Not what is over, or has only its upload left to do, which this machine
        resumes: anew, it would write over its own parts."""
        if not doing.cancelled():
            await self.end_run(run, doing.result())
        elif run.id in resumable(self.place.spool):
            await self.end_run(run, BackupFailed("Its worker was told to stop before all was uploaded; it goes on when it is back."))
        else:
            async with self.pool.acquire() as connection:
                await put_back(connection, run)

    async def outcome_of(self, run: Run, task: Task) -> Result | BackupFailed:
        work = Work(self.settings, self.place, self.pool, run)
        try:
            result = await task(work)
        except BackupFailed as error:
            return error
        except Exception as error:
            logger.opt(exception=error).error("The {} run {} failed in a way nobody foresaw.", run.task, run.id)
            return BackupFailed(f"{type(error).__name__}: {error}")
        if run.task in MAKING:
            # Told to stop meanwhile, it is made all the same.
            with suppress(asyncio.CancelledError):
                await self.tidy_up(work)
        return result

    async def tidy_up(self, work: Work) -> None:
        """What it cannot delete now goes after the next backup: no reason to call this one bad."""
        work.tell("pruning")
        try:
            async with self.pool.acquire() as connection:
                now = await time_of(connection)
                gone = await prune(self.place, self.settings.backup_retention, now)
                gone += await sweep_store(self.place, connection, now)
                await forget_old(connection, now)
        except (BackupFailed, *POSTGRES_AWAY) as error:
            logger.error("Old backups could not be deleted: {}", error)
            BACKUP_FAILURES.labels(work.run.task, "prune").inc()
        else:
            logger.info("Deleted {} backups that retention lets go.", len(gone))

    async def keep(self, run: Run, doing: asyncio.Task[Result | BackupFailed]) -> None:
        """Renew its lease. Without PostgreSQL it goes on; once it is somebody else's, it ends."""
        while not doing.done():
            if self.watch is not None:
                self.watch(run)
            try:
                async with self.pool.acquire() as connection:
                    if not await renew(connection, run, await time_of(connection)):
                        doing.cancel()
            except POSTGRES_AWAY:
                pass
            await asyncio.wait([doing], timeout=RENEWED_EVERY_S)

    async def end_run(self, run: Run, outcome: Result | BackupFailed) -> None:
        """Tried until PostgreSQL takes it. Raises what POSTGRES_AWAY names when it was away for too long: then the run counts as lost."""
        clock = asyncio.get_running_loop().time
        end = clock() + WRITTEN_WITHIN_S
        while True:
            try:
                async with self.pool.acquire() as connection, connection.transaction():
                    await write_down(connection, run, outcome, goes_on=run.id in resumable(self.place.spool))
                break
            except POSTGRES_AWAY:
                if clock() > end:
                    raise
            await asyncio.sleep(1)


async def write_down(connection: Connection, run: Run, outcome: Result | BackupFailed, *, goes_on: bool) -> None:
    """goes_on: only its upload is left to do, and that will be tried again anyway."""
    now = await time_of(connection)
    if not await end(connection, run, now, outcome):
        logger.error("The {} run {} was given up before it ended: others had found its lease run out.", run.task, run.id)
    elif isinstance(outcome, BackupFailed):
        await tell_failure(connection, run, now, goes_on=goes_on)
    else:
        logger.info("The {} run {} is done.", run.task, run.id)


async def tell_failure(connection: Connection, run: Run, now: datetime, *, goes_on: bool) -> None:
    """In the log and the figures; and have it tried once more, when nobody watches who could."""
    logger.error("The {} run {} failed ({}): {}", run.task, run.id, run.failure, run.reason)
    BACKUP_FAILURES.labels(await kind_of(connection, run), STEPS[run.task]).inc()
    if run.asked_by == "schedule" and not goes_on:
        await ask(connection, run.task, AGAIN, now, after=AGAIN_AFTER)


async def kind_of(connection: Connection, run: Run) -> str:
    """Of the backup that it is about."""
    if run.task in MAKING:
        return run.task
    return str(await connection.fetchval("SELECT task FROM backup_runs WHERE id = $1", run.backup) or "unknown")
