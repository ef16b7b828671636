"""Tidings' own processes under the supervisor, and their output."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Callable
from typing import BinaryIO

from tidings.cli.configuration import API_KEY
from tidings.settings import Settings

Write = Callable[[bytes], None]

COLOURS = {"api": 36, "sequencer": 35, "projections": 34, "planner": 33, "deliveries": 31, "backups": 34, "tidings": 32}
RESET = b"\x1b[0m"
NAME_WIDTH = 11
READ_BYTES = 65536


class Own:
    """A process of Tidings, as a Program. arguments: of the command line, as in `("worker", "sequencer")`."""

    stop_signal = signal.SIGTERM

    def __init__(self, name: str, arguments: tuple[str, ...], settings: Callable[[], dict[str, str]], grace_s: float, write: Write) -> None:
        """settings: asked at each start, since an embedded server may have come back at another port."""
        self.name = name
        self.arguments = arguments
        self.settings = settings
        self.grace_s = grace_s
        self.write = write
        self.readers: set[asyncio.Task[None]] = set()

    async def start(self) -> Process:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tidings.cli", *self.arguments, "--supervised"),
            stdin=asyncio.subprocess.PIPE,  # never written to: its end is how the child learns of ours
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={name: value for name, value in os.environ.items() if name != API_KEY} | self.settings(),
            start_new_session=True,  # Ctrl-C is for the supervisor, which ends them in order
        )
        assert process.stdout is not None
        reader = asyncio.create_task(pass_on(process.stdout, self.write), name=f"output of {self.name}")
        self.readers.add(reader)
        reader.add_done_callback(self.readers.discard)
        return process


async def pass_on(source: asyncio.StreamReader, write: Write) -> None:
    """Hand on what a process says, line by line, however long the lines are."""
    rest = b""
    while chunk := await source.read(READ_BYTES):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            write(line)
    if rest:
        write(rest)


def prefixed(name: str, output: BinaryIO, coloured: bool) -> Write:
    """Writes lines with the name in front. Goes on in silence when nobody reads any more."""
    start = f"{name: <{NAME_WIDTH}} │ ".encode()
    if coloured:
        start = f"\x1b[{COLOURS.get(name, 37)}m".encode() + start + RESET
    return to(output, start)


def to(output: BinaryIO, start: bytes = b"") -> Write:
    def write(line: bytes) -> None:
        try:
            output.write(start + line + b"\n")
            output.flush()
        except (OSError, ValueError):
            pass

    return write


def environment_of(settings: Settings) -> dict[str, str]:
    """What the supervisor decided, for its children; everything else they read as it does."""
    decided = {
        "TIDINGS_DATABASE_URL": settings.database_url,
        "TIDINGS_REDIS_URL": settings.redis_url,
        "TIDINGS_STATE_DIR": str(settings.state_dir),
        "TIDINGS_DEMO_PROJECT": settings.demo_project,
    }
    return {name: value for name, value in decided.items() if value is not None} | {"PYTHONUNBUFFERED": "1"}
