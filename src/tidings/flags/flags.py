"""The deployment's flags as a process knows them: asked without waiting, and always the newest it could get.

API processes and deliveries workers hold them. A change is an event of the log, so a process that follows the log (`heard`) reads it as
soon as it comes by. Each asks PostgreSQL besides whether there is anything new: workers, which do not follow, twice a second. While
PostgreSQL is away the last value stays, across a restart from a file in the state folder (where that can be written); before anything was
ever read, each flag has the default of whoever asks.
"""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import asyncpg
from loguru import logger

from tidings.events.entry import LogEvent
from tidings.flags.evaluate import Resolution, evaluate
from tidings.flags.known import Known
from tidings.flags.last import Row, keep, kept
from tidings.flags.rules import Broken, Context, Ready, ready_or_broken
from tidings.flags.store import CHANGED, DEPLOYMENT, NEWEST, read
from tidings.flags.structs import TARGETING_KEY
from tidings.platform.ending import end_tasks
from tidings.platform.metrics import FLAGS_CHANGE
from tidings.platform.postgres import POSTGRES_AWAY

POLL_S = 0.5
# Of a process that follows the log: only what was skipped with a history that is over is left to find. A look costs an idle one 1 ms.
FOLLOWED_POLL_S = 5.0
PATIENCE_S = 2.0
ALL = """
SELECT * FROM (SELECT DISTINCT ON (key) key, version, definition FROM flag_changes WHERE project = $1 ORDER BY key, version DESC) AS newest
WHERE definition IS NOT NULL
"""


class Flags:
    """state_dir: where the last known are kept for the next start; None keeps them in memory only.   poll_s: between two looks."""

    def __init__(self, pool: asyncpg.Pool, state_dir: Path | None, poll_s: float = POLL_S) -> None:
        self.pool = pool
        self.state_dir = state_dir
        self.poll_s = poll_s
        self.flags: Mapping[str, Ready | Broken] = {}
        # Of the newest change that was read; None until PostgreSQL was read once.
        self.seen: int | None = None
        self.is_away = False
        self.news = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns when they are known, from PostgreSQL or, while that is away, as they were last."""
        if self.state_dir is not None:
            self.take(kept(self.state_dir))
        self.task = asyncio.create_task(self.follow(await self.try_look()))

    async def stop(self) -> None:
        await end_tasks([self.task])

    # Asking

    def is_on(self, known: Known, project: str) -> bool:
        """For a project, so that it can be switched for one, or for a share of them. For hot paths: about a microsecond."""
        if known.key not in self.flags:
            return known.default
        value = self.resolve(known.key, {TARGETING_KEY: project, "project": project}, known.default).value
        return value if isinstance(value, bool) else known.default

    def resolve(self, key: str, context: Context, default: Any) -> Resolution:
        """Never raises: the default comes back, and why."""
        return evaluate(self.flags.get(key), context, default)

    # Learning

    def heard(self, event: LogEvent) -> None:
        """Give it every event of the log, if the process follows it."""
        if event.type == CHANGED and event.project == DEPLOYMENT.id:
            self.news.set()

    async def follow(self, has_looked: bool) -> None:
        while True:
            try:
                # Not asyncio.wait_for: in Python 3.11 it swallows a cancellation that comes together with the event.
                # What was heard and could not be read is tried again soon.
                async with asyncio.timeout(self.poll_s if has_looked else POLL_S):
                    await self.news.wait()
            except TimeoutError:
                pass
            self.news.clear()
            has_looked = await self.try_look()

    async def try_look(self) -> bool:
        """Whether it could. Whatever it meets, what is known stays."""
        try:
            await self.look()
        except POSTGRES_AWAY as error:
            if not self.is_away:
                logger.warning("flags cannot be read ({}); the last ones known hold", type(error).__name__)
            self.is_away = True
        except Exception:
            logger.exception("flags cannot be read; the last ones known hold")
        else:
            self.is_away = False
            return True
        return False

    async def look(self) -> None:
        newest = await self.pool.fetchval(NEWEST, DEPLOYMENT.id, timeout=PATIENCE_S) or 0
        # Not `>`: a restored database may have gone back.
        if newest == self.seen:
            return
        rows = [Row(*row) for row in await self.pool.fetch(ALL, DEPLOYMENT.id, timeout=PATIENCE_S)]
        self.take(rows)
        # What came between the two statements is read again next time.
        self.seen = newest
        FLAGS_CHANGE.labels("deployment").set(newest)
        if self.state_dir is not None:
            keep(self.state_dir, rows)

    def take(self, rows: Sequence[Row]) -> None:
        self.flags = {row.key: ready_or_broken(row.key, row.version, *read(row.definition)) for row in rows}
        for flag in self.flags.values():
            if isinstance(flag, Broken):
                logger.warning("flag {} cannot be used; whoever asks for it gets their default: {}", flag.key, flag.why)
