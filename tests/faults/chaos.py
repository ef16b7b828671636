"""Kills processes at random, one or several at a time, and starts them again a moment later."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable

from faults.deployment import Deployment, Part, Server
from faults.load import Load

# An API process is one of two and dies often; without PostgreSQL nothing is accepted, so it dies less.
WEIGHTS = {"api": 3.0, "sequencer": 4.0, "projections": 2.0, "postgres": 1.5, "valkey": 3.0}
PAUSES_S = (0.5, 3.5)
DEAD_S = (0.05, 2.5)


class Chaos:
    """kills: how often each was killed.   deaths: of processes that nobody killed, with their last words."""

    def __init__(self, deployment: Deployment, seed: int) -> None:
        self.deployment = deployment
        self.rng = random.Random(f"chaos {seed}")
        self.kills: Counter[str] = Counter()
        self.deaths: list[str] = []
        self.down: set[str] = set()
        self.reviving: set[asyncio.Task[None]] = set()

    async def run(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            await asyncio.sleep(self.rng.uniform(*PAUSES_S))
            await self.kill_one()
        for task in list(self.reviving):
            await task
        self.note_deaths()
        await self.deployment.heal()

    def note_deaths(self) -> None:
        for part in self.deployment.parts:
            if not part.is_running and part.name not in self.down:
                self.deaths.append(f"{part.name}: {part.last_words()}")
                self.down.add(part.name)

    async def kill_one(self) -> None:
        self.note_deaths()
        alive = [part for part in self.deployment.parts if part.is_running]
        weights = [WEIGHTS[part.name.rstrip("0123456789")] for part in alive]
        victim = self.rng.choices(alive, weights)[0]
        self.down.add(victim.name)
        await victim.kill()
        self.kills[victim.name] += 1
        task = asyncio.create_task(self.revive(victim, self.rng.uniform(*DEAD_S)))
        self.reviving.add(task)
        task.add_done_callback(self.reviving.discard)

    async def revive(self, victim: Part | Server, after: float) -> None:
        await asyncio.sleep(after)
        await victim.start()
        self.down.discard(victim.name)


async def wreak(deployment: Deployment, load: Load, seed: int, seconds: float, tell: Callable[[str], None]) -> Chaos:
    """Publish and kill for that long, then heal. Publishers have ended and everybody has caught up, as far as that can be."""
    chaos = Chaos(deployment, seed)
    load.publish()
    telling = asyncio.create_task(tell_for_ever(load, chaos, tell))
    try:
        await chaos.run(seconds)
        await load.stop_publishing()
        took = await load.caught_up()
        tell(f"killed {dict(chaos.kills)}; caught up {took:.1f} s after; {load.told()}")
    finally:
        telling.cancel()
    return chaos


async def tell_for_ever(load: Load, chaos: Chaos, tell: Callable[[str], None]) -> None:
    began = time.monotonic()
    while True:
        await asyncio.sleep(10)
        tell(f"{time.monotonic() - began:.0f} s: {sum(chaos.kills.values())} kills; {load.told()}")
