"""Settling what ends at about the same time together: while one batch is written, the next gathers."""

import asyncio
from collections.abc import Callable, Iterator, Sequence

import asyncpg
from loguru import logger
from msgspec.structs import replace

from tidings.deliveries.lanes.report import report
from tidings.deliveries.ledger.claim import Claimed
from tidings.deliveries.ledger.clock import time_of
from tidings.deliveries.ledger.outcome import Outcome
from tidings.deliveries.ledger.settle import Result, settle, troubled
from tidings.deliveries.levels.gauges import count_settled
from tidings.deliveries.sending.traced import record_ended
from tidings.platform.ending import end_tasks
from tidings.platform.metrics import ERRORS
from tidings.platform.postgres import CONNECTION_LOST, POSTGRES_AWAY

AGAIN_S = 0.25
# Lanes hear of what went well so often; of what did not at once, and of all that went well before it (`settle`).
GOOD_NEWS_S = 0.5
REFUSALS = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)
UNWRITABLE = "unwritable"


class Settler:
    """`put` hands over a result; it is written as soon as PostgreSQL takes it, however long that is away."""

    def __init__(self, pool: asyncpg.Pool, connector_of: Callable[[Claimed], str | None]) -> None:
        self.pool = pool
        self.connector_of = connector_of
        self.waiting: list[Result] = []
        self.writing: list[Result] = []
        self.good: dict[int, list[Outcome]] = {}
        self.something = asyncio.Event()
        self.idle = asyncio.Event()
        self.idle.set()
        self.tasks: list[asyncio.Task[None]] = []
        self.is_troubled = False

    def start(self) -> None:
        self.tasks = [asyncio.create_task(self.run()), asyncio.create_task(self.tell_good_news())]

    async def stop(self) -> None:
        """When all that was put is written."""
        await self.idle.wait()
        await end_tasks(self.tasks)

    @property
    def unsettled(self) -> Iterator[str]:
        """Deliveries whose attempts have ended, and are not written yet."""
        return (result.of.id for results in (self.writing, self.waiting) for result in results)

    def put(self, result: Result) -> None:
        self.waiting.append(result)
        self.idle.clear()
        self.something.set()

    async def run(self) -> None:
        while True:
            await self.something.wait()
            self.something.clear()
            self.writing, self.waiting = self.waiting, []
            while not await self.settle(self.writing):
                await asyncio.sleep(AGAIN_S)
            self.writing = []
            if not self.waiting:
                self.idle.set()

    async def settle(self, batch: Sequence[Result]) -> bool:
        """Whether it is written. Again and again otherwise: what others took over meanwhile is fenced off."""
        lanes = troubled(batch)
        # Lost if this is not written: a lane that hears of fewer successes is wrong for half a minute at most.
        unheard = {lane: self.good.pop(lane) for lane in lanes if lane in self.good}
        try:
            async with self.pool.acquire() as connection:
                written = await settle(connection, batch, unheard)
        except CONNECTION_LOST as error:
            return self.not_now(batch, error)
        except asyncpg.PostgresError as error:
            # What is away or overloaded comes back; what it refuses to keep, it always will.
            return await self.settle_apart(batch) if isinstance(error, REFUSALS) else self.not_now(batch, error)
        except Exception:  # without this loop nothing would be settled any more, and all be sent again as lost
            return await self.settle_apart(batch)
        self.is_troubled = False
        count_settled(batch, written, self.connector_of)
        record_ended(batch, written)
        for result in batch:
            if result.of.destination not in lanes:
                self.good.setdefault(result.of.destination, []).append(result.outcome)
        return True

    def not_now(self, batch: Sequence[Result], error: Exception) -> bool:
        """Told once, and not four times a second."""
        if not self.is_troubled:
            logger.warning("{} attempts could not be settled ({}); trying again", len(batch), type(error).__name__)
        self.is_troubled = True
        return False

    async def settle_apart(self, batch: Sequence[Result]) -> bool:
        """One of them cannot be written as it is. The others must not wait for that, and of the one its end counts."""
        if len(batch) > 1:
            for result in batch:
                while not await self.settle([result]):
                    await asyncio.sleep(AGAIN_S)
            return True
        [result] = batch
        ERRORS.labels("deliveries").inc()
        if result.outcome.reason == UNWRITABLE:
            logger.exception("The attempt of {} cannot be settled; its lease will run out", result.of.id)
            return True
        logger.exception("What was said of the attempt of {} cannot be written", result.of.id)
        plain = Outcome(kind=result.outcome.kind, reason=UNWRITABLE, detail="What the far end said cannot be kept.")
        return await self.settle([replace(result, outcome=plain)])

    async def tell_good_news(self) -> None:
        while True:
            await asyncio.sleep(GOOD_NEWS_S)
            good, self.good = self.good, {}
            if not good:
                continue
            try:
                async with self.pool.acquire() as connection, connection.transaction():
                    await report(connection, good, await time_of(connection))
            except POSTGRES_AWAY as error:
                # As above: a lane that hears of fewer is soon right again.
                logger.warning("Lanes could not be told of {} successes: {}", sum(map(len, good.values())), type(error).__name__)
            except Exception:  # a half-open breaker closes by this alone
                logger.exception("Lanes could not be told what went well")
                ERRORS.labels("deliveries").inc()
