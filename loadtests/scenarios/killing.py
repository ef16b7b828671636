"""Kills processes while a scenario runs: those of a product of our own with SIGKILL, those of another by a command."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from loadtests.ground import Part, Running
from loadtests.scenarios.product import kind_of
from loadtests.scenarios.scenario import Chaos

LOOK_EACH_S = 0.1
# A killed PostgreSQL holds its memory until its last backend has noticed.
STARTS_WITHIN = 50
# Kills one, and answers which.
Kill = Callable[[random.Random], Awaitable[str]]


@asynccontextmanager
async def killing(kill: Kill, chaos: Chaos | None, folder: Path) -> AsyncIterator[None]:
    """While the phase is `run`, where there is to be chaos. Each kill gets a line in `kills`."""
    if chaos is None:
        yield
        return
    task = asyncio.create_task(kill_for_ever(kill, chaos, folder))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def kill_for_ever(kill: Kill, chaos: Chaos, folder: Path) -> None:
    rng = random.Random()
    while True:
        await asyncio.sleep(LOOK_EACH_S)
        if not is_running(folder):
            continue
        await asyncio.sleep(rng.uniform(*chaos.pause_s))
        if is_running(folder):
            name = await kill(rng)
            with (folder / "kills").open("a") as kills:
                kills.write(name + "\n")


def is_running(folder: Path) -> bool:
    try:
        return (folder / "phase").read_text() == "run"
    except OSError:
        return False


class OurOwn:
    """Kills processes of `running`, one or several at a time, and starts each again a moment later."""

    def __init__(self, running: Running, chaos: Chaos) -> None:
        self.running = running
        self.chaos = chaos
        self.reviving: set[asyncio.Task[None]] = set()

    @property
    def parts(self) -> list[Part]:
        return [self.running.postgres, self.running.valkey, *self.running.parts]

    async def kill(self, rng: random.Random) -> str:
        alive = [part for part in self.parts if part.process.returncode is None and kind_of(part) in self.chaos.weights]
        victim = rng.choices(alive, [self.chaos.weights[kind_of(part)] for part in alive])[0]
        victim.process.kill()
        await victim.process.wait()
        task = asyncio.create_task(self.revive(victim, rng.uniform(*self.chaos.dead_s)))
        self.reviving.add(task)
        task.add_done_callback(self.reviving.discard)
        return victim.name

    async def revive(self, victim: Part, after_s: float) -> None:
        await asyncio.sleep(after_s)
        for attempt in range(STARTS_WITHIN):
            try:
                victim.process = await victim.program.start()
                return
            except Exception:
                if attempt == STARTS_WITHIN - 1:
                    raise
                await asyncio.sleep(0.1)

    async def deaths(self) -> list[str]:
        """Those that do not run although nobody killed them, once all that were killed are started."""
        await asyncio.gather(*self.reviving)
        return [part.name for part in self.parts if part.process.returncode is not None]


def by_command(command: str) -> Kill:
    """As in `kubectl delete pod --force …`."""

    async def kill(_: random.Random) -> str:
        process = await asyncio.create_subprocess_shell(command, stdout=asyncio.subprocess.DEVNULL)
        return f"command, exit code {await process.wait()}"

    return kill
