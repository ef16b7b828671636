"""The processes of a colour: started, asked whether they are ready, drained one after another."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from tidings.errors import TidingsError
from tidings.releases.commands import run
from tidings.releases.figures import fetched
from tidings.releases.plan import Colour, Command

READY_WITHIN_S = 60.0
READY_POLL_S = 0.2
# A drain of a minute, its grace, and a bit.
ENDS_WITHIN_S = 120.0


class Timing(NamedTuple):
    """clock: seconds, from anywhere."""

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def bring_up(colour: Colour, name: str, timing: Timing) -> None:
    """Start it unless all of it is ready, and wait until it is. Raises TidingsError."""
    if all(map(is_ready, colour.servers.values())):
        return
    for command in colour.start:
        run(command, READY_WITHIN_S)
    until = timing.clock() + READY_WITHIN_S
    while late := [server for server, address in colour.servers.items() if not is_ready(address)]:
        if timing.clock() > until:
            raise TidingsError(f"{', '.join(late)} of {name}: not ready within {READY_WITHIN_S:g} s.")
        timing.sleep(READY_POLL_S)


def is_any_ready(colour: Colour) -> bool:
    return any(map(is_ready, colour.servers.values()))


def is_ready(address: str) -> bool:
    return fetched(address, "/health/ready")[0] == 200


class Drain:
    """Runs the commands that end a colour, beside whoever watches: one after another, so that its streams do not leave all at once."""

    def __init__(self, commands: Sequence[Command]) -> None:
        self.commands = commands
        self.is_over = threading.Event()
        self.failure: TidingsError | None = None
        self.thread = threading.Thread(target=self.work, name="drain", daemon=True)

    def begin(self) -> "Drain":
        self.thread.start()
        return self

    @property
    def is_running(self) -> bool:
        return self.thread.is_alive()

    def work(self) -> None:
        try:
            for command in self.commands:
                if not self.is_over.is_set():
                    run(command, ENDS_WITHIN_S)
        except TidingsError as error:
            self.failure = error

    def end(self) -> None:
        """Wait until all have ended. Raises what a command failed with."""
        if self.thread.ident is not None:
            self.thread.join()
        if self.failure is not None:
            raise self.failure

    def cease(self) -> None:
        """The command under way is the last; wait for it."""
        self.is_over.set()
        if self.thread.ident is not None:
            self.thread.join()
