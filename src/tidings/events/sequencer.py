"""The sequencer: for each shard, compete for its lease; leading, move its outbox into the log and the log into Redis."""

import asyncio
import contextlib
import os
import socket
from typing import Any

import asyncpg
from loguru import logger

from tidings.events.appender import Appender, StreamAhead
from tidings.events.floor import Floor
from tidings.events.lease import Lease, give_up_lease, renew_epoch, renew_lease, take_lease
from tidings.events.sequence import SESSION, sequence
from tidings.events.traced import record_sequenced
from tidings.platform.ending import end_if_told, end_tasks
from tidings.platform.metrics import EVENTS_SEQUENCED, SEQUENCER_LAG, SEQUENCER_LEADS
from tidings.platform.postgres import POSTGRES_AWAY
from tidings.platform.redis import REDIS_AWAY, WAKE_CHANNEL

BATCH = 1000
# Small batches cost as much as large ones: after one, what comes next may gather this long.
PAUSE_S = 0.002
IDLE_S = 0.1
IDLE_UNWOKEN_S = 0.02
RETRY_S = 0.25
# A leader that fails at once, as on a full disk, comes back more and more slowly up to this, and says nothing until it has led as
# long as that goes well: it wrote six lines a second before.
LONGEST_RETRY_S = 2.0
IS_WELL_AFTER_S = 5.0


class Deposed(Exception):
    """The term has passed; somebody else leads."""


class Sequencer:
    """Leads what shards it can get. One connection a shard, because a leader's successor may end its backend."""

    def __init__(self, database_url: str, redis: Any, wake_redis: Any, *, lease_s: float, window: int) -> None:
        self.database_url = database_url
        self.redis = redis
        self.wake_redis = wake_redis
        self.lease_s = lease_s
        self.window = window
        self.holder = f"{socket.gethostname()}:{os.getpid()}:{os.urandom(4).hex()}"
        self.wakes: dict[int, asyncio.Event] = {}
        self.is_woken = False  # by Redis; otherwise it polls faster
        self.troubled: set[int] = set()  # shards whose trouble with PostgreSQL was told, and may not be over

    async def run(self, shards: list[int]) -> None:
        """Runs until cancelled."""
        self.wakes = {shard: asyncio.Event() for shard in shards}
        tasks = [asyncio.create_task(self.hear_wakes()), *(asyncio.create_task(self.attend(shard)) for shard in shards)]
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
        finally:
            # A TaskGroup would tell them once.
            await end_tasks(tasks)

    async def hear_wakes(self) -> None:
        while True:
            try:
                async with self.wake_redis.pubsub() as channel:
                    await channel.subscribe(WAKE_CHANNEL)
                    self.is_woken = True
                    while True:
                        end_if_told()
                        message = await channel.get_message(ignore_subscribe_messages=True, timeout=10)
                        if message is not None and (wake := self.wakes.get(int(message["data"]))) is not None:
                            wake.set()
            except REDIS_AWAY:
                pass
            finally:
                self.is_woken = False
            end_if_told()
            await asyncio.sleep(0.5)

    async def attend(self, shard: int) -> None:
        """Try to lead, for ever; no failure of PostgreSQL ends the process."""
        pause_s = RETRY_S
        while True:
            connection = None
            try:
                connection = await self.connect()
                await self.compete(connection, shard)
            except POSTGRES_AWAY as error:
                if shard not in self.troubled:
                    logger.warning("shard {}: PostgreSQL is away ({}); trying again", shard, type(error).__name__)
                fails_at_once = connection is not None and shard in self.troubled
                pause_s = min(2 * pause_s, LONGEST_RETRY_S) if fails_at_once else RETRY_S
                self.troubled.add(shard)
            finally:
                if connection is not None:
                    connection.terminate()
            end_if_told()
            await asyncio.sleep(pause_s)

    async def connect(self) -> asyncpg.Connection:
        return await asyncpg.connect(
            self.database_url,
            timeout=3,
            command_timeout=10,
            server_settings=SESSION | {"role": "tidings_worker", "application_name": "tidings sequencer"},
        )

    async def compete(self, connection: asyncpg.Connection, shard: int) -> None:
        while True:
            lease = await take_lease(connection, shard, self.holder, self.lease_s)
            if lease is None:
                # A quarter of the lease keeps a takeover within 1.25 leases of the leader's last sign of life.
                await asyncio.sleep(self.lease_s / 4)
            else:
                await self.lead(connection, lease)

    async def lead(self, connection: asyncpg.Connection, lease: Lease) -> None:
        if lease.shard not in self.troubled:
            logger.info("shard {}: leading from position {} in term {}, epoch {}", lease.shard, lease.head, lease.term, lease.epoch)
        SEQUENCER_LEADS.labels(lease.shard).set(1)
        async with asyncpg.create_pool(
            self.database_url, min_size=0, max_size=1, timeout=3, command_timeout=10, server_settings={"role": "tidings_worker"}
        ) as pool:
            appender = Appender(self.redis, pool, lease, self.window)
            appending = asyncio.create_task(appender.run())
            try:
                await self.move(connection, lease, appender, appending)
            except Deposed:
                logger.warning("shard {}: term {} has passed; somebody else leads", lease.shard, lease.term)
            except StreamAhead as reason:
                await renew_epoch(connection, lease, str(reason))
            except asyncio.CancelledError:
                with contextlib.suppress(*POSTGRES_AWAY):
                    await give_up_lease(connection, lease)
                raise
            finally:
                SEQUENCER_LEADS.labels(lease.shard).set(0)
                await end_tasks([appending])

    async def move(self, connection: asyncpg.Connection, lease: Lease, appender: Appender, appending: asyncio.Task[None]) -> None:
        """Move events while the lease lasts. Raises Deposed or StreamAhead."""
        loop = asyncio.get_running_loop()
        wake = self.wakes[lease.shard]
        floor = Floor(lease.shard)
        began = renewed = loop.time()
        while True:
            if appending.done():
                appending.result()
            if loop.time() - renewed > self.lease_s / 4:
                if not await renew_lease(connection, lease, self.lease_s):
                    raise Deposed
                renewed = loop.time()
                if lease.shard in self.troubled and renewed - began > IS_WELL_AFTER_S:
                    logger.info("shard {}: PostgreSQL is back; leading in term {}", lease.shard, lease.term)
                    self.troubled.remove(lease.shard)
            if floor.is_due(loop.time()):
                await floor.rise(connection)
                floor.taken, floor.risen_at = 0, loop.time()
            wake.clear()
            events = await sequence(connection, lease.shard, lease.term, BATCH, floor.id)
            if not events:
                await wait_for(wake, IDLE_S if self.is_woken else IDLE_UNWOKEN_S)
                continue
            appender.offer(events)
            floor.taken += len(events)
            EVENTS_SEQUENCED.inc(len(events))
            record_sequenced(events)
            SEQUENCER_LAG.observe((events[0].created_at - events[0].accepted_at).total_seconds())
            if len(events) < BATCH // 5:
                await asyncio.sleep(PAUSE_S)


async def wait_for(event: asyncio.Event, timeout: float) -> None:
    # Not asyncio.wait_for: in Python 3.11 it swallows a cancellation that comes together with the event.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout):
            await event.wait()
