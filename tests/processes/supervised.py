"""`tidings run` as a process, watched from outside."""

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from asyncio.subprocess import Process
from pathlib import Path
from typing import Any

import psutil
from running import until

from tidings.platform.embedded.memory import free_port

READY = re.compile(r"^Tidings is ready: (http://\S+)$", re.MULTILINE)


class Supervised:
    """One run after the other on one state folder."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.port = free_port()
        self.said = ""
        self.process: Process | None = None
        self.seen: dict[int, psutil.Process] = {}

    async def start(self, **settings: str) -> None:
        self.said = ""
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tidings.cli", "run"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=dict(os.environ)
            | {"TIDINGS_STATE_DIR": str(self.state), "TIDINGS_PORT": str(self.port), "TIDINGS_DRAIN_S": "0.2"}
            | settings,
        )
        self.listener = asyncio.create_task(self.listen(self.process))

    async def listen(self, process: Process) -> None:
        assert process.stdout is not None
        while chunk := await process.stdout.read(4096):
            self.said += chunk.decode()

    async def ready(self, within: float = 60) -> str:
        """The address it names."""

        async def has_said_so() -> re.Match[str] | None:
            assert self.process is not None
            assert self.process.returncode is None, self.said
            return READY.search(self.said)

        found = await until(has_said_so, within, "Tidings is ready")
        self.descendants()
        return str(found[1])

    async def ended(self, within: float = 40) -> int:
        assert self.process is not None
        code = await asyncio.wait_for(self.process.wait(), within)
        await self.listener
        return code

    async def end(self) -> int:
        self.signal(signal.SIGTERM)
        return await self.ended()

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def descendants(self) -> list[psutil.Process]:
        """Every process below it, also below PostgreSQL; remembered for `leftovers`."""
        assert self.process is not None
        found = psutil.Process(self.process.pid).children(recursive=True)
        self.seen |= {process.pid: process for process in found}
        return found

    def leftovers(self) -> list[str]:
        """What still runs of all that it ever started."""
        found = []
        for process in self.seen.values():
            with contextlib.suppress(psutil.NoSuchProcess):
                if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(" ".join(process.cmdline()))
        return found

    def child(self, *words: str) -> psutil.Process:
        """The one process below it whose command line has these words."""
        found = [process for process in self.descendants() if set(words) <= set(process.cmdline())]
        assert len(found) == 1, f"{words}: {found}"
        return found[0]

    def demo(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.state / "demo.json").read_text())
        return found
