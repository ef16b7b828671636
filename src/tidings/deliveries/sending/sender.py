"""A worker's part of the ledger: claims what a job names, makes the attempts at the same time, holds the leases of what is under way."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from loguru import logger

from tidings.deliveries.connectors.connector import Connector, Reach
from tidings.deliveries.connectors.redaction import redacted
from tidings.deliveries.ledger.claim import AttemptKey, Claimed, claim, renew
from tidings.deliveries.ledger.dispatch import LEASE, MOST_OUT
from tidings.deliveries.ledger.outcome import Outcome, next_of
from tidings.deliveries.ledger.settle import Result
from tidings.deliveries.sending.echoes import Echoes
from tidings.deliveries.sending.opened import OpenedDestinations
from tidings.deliveries.sending.settler import Settler
from tidings.deliveries.sending.traced import carrying, record_attempt
from tidings.platform.ending import end_tasks
from tidings.platform.metrics import ERRORS
from tidings.platform.postgres import POSTGRES_AWAY
from tidings.platform.telemetry.belonging import Belonging, belong_to
from tidings.platform.telemetry.context import context_in

RENEW_S = 3.0
# Attempts at the same time in one worker. Beyond it jobs wait, and other workers take them: it is all that is out, so that of one worker
# alone no project takes all.
MOST_UNDER_WAY = MOST_OUT
SEALED = Outcome(kind="retry", reason="sealed", detail="The secrets cannot be opened; see the worker's log.", was_made=False)


class Sender:
    """name: of the worker, as the attempts keep it."""

    def __init__(self, name: str, reach: Reach, connectors: Mapping[str, Connector]) -> None:
        self.name = name
        self.reach = reach
        self.pool = pool = reach.pool
        self.connectors = connectors
        self.destinations = OpenedDestinations(reach.vault)
        self.settler = Settler(pool, self.connector_of)
        self.echoes = Echoes(pool)
        self.claiming: set[asyncio.Task[None]] = set()
        self.under_way: dict[AttemptKey, asyncio.Task[None]] = {}
        self.is_ending = False
        self.has_room = asyncio.Event()
        self.has_room.set()
        self.renewing: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.settler.start()
        self.echoes.start()
        self.renewing = asyncio.create_task(self.keep_leases())

    async def stop(self) -> None:
        """Claim no more, wait for what is under way, and write it down. Whoever does not wait for this leaves it to the leases."""
        self.is_ending = True
        while running := {*self.claiming, *self.under_way.values()}:
            await asyncio.wait(running)
        await self.settler.stop()
        await self.echoes.stop()
        await end_tasks([self.renewing])

    async def deliver(self, ids: Sequence[str]) -> None:
        """Begin to attempt those of the ids that nobody else has, as soon as there is room.

        Returns before they end: ARQ looks at every job that has not ended at each poll, and one slow receiver would keep a hundred of them.
        """
        await self.has_room.wait()
        # ARQ's jobs go on when its worker is told to end.
        if self.is_ending:
            return
        claiming = asyncio.create_task(self.begin(ids))
        self.claiming.add(claiming)
        claiming.add_done_callback(self.claiming.discard)
        await claiming

    async def begin(self, ids: Sequence[str]) -> None:
        """Claimed when all that they need is read: should PostgreSQL go away in between, no attempt was made, and none is written."""
        try:
            async with self.pool.acquire() as connection, connection.transaction():
                claimed = await claim(connection, ids, self.name)
                await self.destinations.load(connection, claimed)
        except POSTGRES_AWAY as error:
            logger.warning("{} deliveries could not be claimed ({}); their leases will run out", len(ids), type(error).__name__)
            return
        for batch in self.batches(claimed):
            task = asyncio.create_task(self.attempt(batch))
            self.under_way.update((delivery.key, task) for delivery in batch)
        self.note_room()

    def batches(self, claimed: Sequence[Claimed]) -> Iterator[Sequence[Claimed]]:
        """What goes in one request: nearly always a single delivery."""
        by_destination: defaultdict[int, list[Claimed]] = defaultdict(list)
        for delivery in claimed:
            by_destination[delivery.destination].append(delivery)
        for together in by_destination.values():
            destination = self.destinations.of(together[0])
            most = self.connectors[destination.connector].most_together if destination else 1
            yield from (together[start : start + most] for start in range(0, len(together), most))

    async def attempt(self, batch: Sequence[Claimed]) -> None:
        self.name_lines(batch[0])
        carried, begun_ns = [carrying(delivery) for delivery in batch], time.time_ns()
        try:
            outcomes = await self.outcomes_of(carried)
        finally:
            for delivery in batch:
                del self.under_way[delivery.key]
            self.note_room()
        now = datetime.now(UTC)
        for delivery, sent, outcome in zip(batch, carried, outcomes, strict=True):
            record_attempt(delivery, sent, self.connector_of(delivery), outcome, begun_ns)
            self.put(delivery, outcome, now)

    def put(self, delivery: Claimed, outcome: Outcome, now: datetime) -> None:
        following = next_of(outcome, *self.standing_of(delivery), now)
        echo = self.echoes.of(delivery, self.destinations.of(delivery), outcome, following)
        self.settler.put(Result(delivery, outcome, following, now, echo))

    def name_lines(self, delivery: Claimed) -> None:
        """What is logged from here on in this task, which is the attempt's own, belongs to the delivery."""
        destination = self.destinations.of(delivery)
        project = None if destination is None else destination.project_key
        belong_to(Belonging(None, context_in(delivery.trace), project, delivery.id))

    def note_room(self) -> None:
        if len(self.under_way) < MOST_UNDER_WAY:
            self.has_room.set()
        else:
            self.has_room.clear()

    async def outcomes_of(self, batch: Sequence[Claimed]) -> Sequence[Outcome]:
        destination = self.destinations.of(batch[0])
        if destination is None:
            return [SEALED] * len(batch)
        try:
            outcomes = await self.connectors[destination.connector].send(self.reach, destination, batch)
            return [redacted(outcome, destination.secrets) for outcome in outcomes]
        except Exception:  # a connector's fault must not end the others of the batch, and the attempt has to be settled
            logger.exception("{} failed to make an attempt of {}", destination.connector, batch[0].id)
            ERRORS.labels("deliveries").inc()
            return [Outcome(kind="retry", reason="internal", detail="Tidings failed to make this attempt.")] * len(batch)

    def connector_of(self, delivery: Claimed) -> str | None:
        destination = self.destinations.of(delivery)
        return destination.connector if destination else None

    def standing_of(self, delivery: Claimed) -> tuple[int, Sequence[int]]:
        """The number of this attempt in its schedule, and that schedule."""
        destination = self.destinations.of(delivery)
        if destination is None:
            # Ours to mend: three days and a half for that, from the first attempt of all.
            return delivery.number, (300,) * 1000
        schedule = destination.schedule if destination.schedule is not None else self.connectors[destination.connector].schedule
        return delivery.number - delivery.round, schedule

    async def keep_leases(self) -> None:
        while True:
            await asyncio.sleep(RENEW_S)
            held = [*(delivery for delivery, _ in self.under_way), *self.settler.unsettled]
            if not held:
                continue
            try:
                async with self.pool.acquire() as connection:
                    await renew(connection, held, LEASE)
            except POSTGRES_AWAY as error:
                logger.warning("Leases could not be renewed: {}", type(error).__name__)
