"""Keeps processes alive: starts them, starts them again when they die, and ends them all in order.

A process that dies is started again at once-ish, then less and less often while it keeps dying (0.5 s … 30 s); one that lived for
half a minute is trusted again.
"""

import asyncio
import contextlib
import signal
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable
from typing import Protocol

from loguru import logger

from tidings.errors import TidingsError

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
TRUSTED_AFTER_S = 30.0


class Program(Protocol):
    """Something that can be started as a process, again and again. grace_s: how long it may take to end when asked to."""

    name: str
    stop_signal: signal.Signals
    grace_s: float

    def start(self) -> Awaitable[Process]:
        """The process, once it is as ready as this program can tell."""
        ...


def next_wait(wait_s: float, lived_s: float) -> float:
    """How long to wait before starting again. wait_s: the last wait, 0 at first."""
    if wait_s == 0 or lived_s >= TRUSTED_AFTER_S:
        return FIRST_WAIT_S
    return min(2 * wait_s, LONGEST_WAIT_S)


class Kept:
    """One program, kept alive until `end`."""

    def __init__(self, program: Program, died_for_good: Callable[[str, int], None]) -> None:
        """died_for_good: told the name and exit code of a program that need not be started again (a wrong setting)."""
        self.program = program
        self.died_for_good = died_for_good
        self.process: Process | None = None
        self.is_ending = False
        self.keeper: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Start it. Raises TidingsError when the first start fails."""
        self.process = await self.program.start()
        self.keeper = asyncio.create_task(self.keep(self.process), name=f"keep {self.program.name}")

    async def keep(self, process: Process) -> None:
        loop = asyncio.get_running_loop()
        wait_s, began = 0.0, loop.time()
        while True:
            code = await process.wait()
            if self.is_ending:
                return
            if code == 3:
                self.died_for_good(self.program.name, code)
                return
            wait_s = next_wait(wait_s, loop.time() - began)
            logger.warning("{} ended ({}); starting it again in {:g} s.", self.program.name, how_it_ended(code), wait_s)
            process, wait_s, began = await self.start_again(wait_s)

    async def start_again(self, wait_s: float) -> tuple[Process, float, float]:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(wait_s)
            began = loop.time()
            try:
                self.process = await self.program.start()
                return self.process, wait_s, began
            except (TidingsError, OSError) as error:
                wait_s = next_wait(wait_s, 0)
                logger.warning("{} could not be started: {} Trying again in {:g} s.", self.program.name, error, wait_s)

    async def end(self) -> None:
        """Ask it to end, wait as long as it may take, and then insist."""
        self.is_ending = True
        process = self.process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(self.program.stop_signal)
            try:
                async with asyncio.timeout(self.program.grace_s):
                    await process.wait()
            except TimeoutError:
                logger.warning("{} did not end within {:g} s; killing it.", self.program.name, self.program.grace_s)
                self.kill()
                await process.wait()
        if self.keeper is not None:
            self.keeper.cancel()
            await asyncio.wait([self.keeper])

    def kill(self) -> None:
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()


def how_it_ended(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
