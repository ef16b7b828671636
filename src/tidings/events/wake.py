"""Tells a shard's sequencer that something was committed. Only a hint: sequencers also poll, so a lost one costs 100 ms."""

import asyncio
from typing import Any

from tidings.events.wire import Wire, command
from tidings.platform.ending import end_tasks
from tidings.platform.redis import REDIS_AWAY, WAKE_CHANNEL

AWAY_PAUSE_S = 0.5
PATIENCE_S = 5.0


class Waker:
    """`wake` never waits and never fails; wakes of the same moment go out as one."""

    def __init__(self, redis: Any) -> None:
        self.wire = Wire(redis, WAKE_CHANNEL)
        self.shards: set[int] = set()
        self.wanted = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.task = asyncio.create_task(self.run())

    async def stop(self) -> None:
        await end_tasks([self.task])
        await self.wire.close()

    def wake(self, shard: int) -> None:
        self.shards.add(shard)
        self.wanted.set()

    async def run(self) -> None:
        while True:
            await self.wanted.wait()
            self.wanted.clear()
            shards, self.shards = self.shards, set()
            try:
                wakes = b"".join(command(b"PUBLISH", WAKE_CHANNEL.encode(), b"%d" % shard) for shard in shards)
                await self.wire.exchange(wakes, len(shards), PATIENCE_S)
            except REDIS_AWAY:
                await asyncio.sleep(AWAY_PAUSE_S)
