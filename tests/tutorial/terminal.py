"""A terminal with a shell in it, in the hands of a test."""

import asyncio
import os
import pty
import re
import termios
from asyncio.subprocess import Process
from collections.abc import Mapping
from pathlib import Path

import psutil  # type: ignore[import-untyped]
from running import until

# Said by the shell whenever it is ready for a line, so that a test knows when a command ended, and how.
ENDED, GOES_ON = re.compile(r"\[ended (\d+)\]"), "[goes on]"
PROMPTS = {"PS1": "[ended $?]\n", "PS2": GOES_ON + "\n"}
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
CTRL_C = b"\x03"
AGAIN_S = 0.3
# `make run` takes most of a minute on a machine whose two cores have ten times as much to do.
WITHIN_S = 120


class Terminal:
    """said: all that it showed, without colours.   seen: up to where a test has looked at it."""

    def __init__(self, process: Process, master: int) -> None:
        self.process, self.master = process, master
        self.said = ""
        self.seen = 0
        self.asked = 0
        self.command: list[str] = []
        self.may_fail = False
        asyncio.get_running_loop().add_reader(master, self.read)

    def read(self) -> None:
        try:
            chunk = os.read(self.master, 65536)
        except OSError:
            # Linux says so where nobody holds the other end any more.
            chunk = b""
        if not chunk:
            asyncio.get_running_loop().remove_reader(self.master)
        self.said += COLOUR.sub("", chunk.decode(errors="replace").replace("\r", ""))

    async def type(self, lines: str) -> None:
        """Each line once the shell is ready for it."""
        await self.until_ready()
        self.seen = len(self.said)
        for line in filter(None, lines.splitlines()):
            if await self.until_ready() == "ended":
                self.command.clear()
            self.command.append(line)
            self.enter(line)

    def enter(self, line: str) -> None:
        self.asked, self.may_fail = len(self.said), False
        os.write(self.master, line.encode() + b"\n")

    async def until_ready(self) -> str:
        """What the shell's prompt says: "ended", or "goes on". Fails where a command did."""

        async def prompt() -> str | None:
            return self.prompt()

        return str(await until(prompt, WITHIN_S, f"`{' '.join(self.command)}` ends"))

    def prompt(self) -> str | None:
        shown = self.said[self.asked :]
        if ended := ENDED.search(shown):
            assert ended[1] == "0" or self.may_fail, f"`{' '.join(self.command)}` ended with {ended[1]}:\n{shown}"
            return "ended"
        return "goes on" if GOES_ON in shown else None

    async def sees(self, text: str) -> None:
        """Wait until it shows these lines, in this order, with … for anything. A command that ended without them is typed again, as
        its reader would who was too fast."""
        lines = [pattern_of(line) for line in text.splitlines() if line]
        loop = asyncio.get_running_loop()
        end = loop.time() + WITHIN_S
        while not self.shows(lines):
            assert loop.time() < end, f"not seen:\n{text}\nbut:\n{self.said[self.seen :]}"
            has_ended = self.prompt() == "ended"
            await asyncio.sleep(AGAIN_S)
            if has_ended:
                await self.type_again()

    async def type_again(self) -> None:
        for line in self.command:
            self.enter(line)
            await self.until_ready()

    def shows(self, lines: list[re.Pattern[str]]) -> bool:
        at = self.seen
        for line in lines:
            found = line.search(self.said, at)
            if found is None:
                return False
            at = found.end()
        self.seen = at
        return True

    async def press_ctrl_c(self) -> None:
        self.may_fail = True
        os.write(self.master, CTRL_C)
        await self.until_ready()

    async def close(self) -> list[str]:
        """As closing its window does. What did not end of that, and was killed."""
        running = psutil.Process(self.process.pid).children(recursive=True)
        asyncio.get_running_loop().remove_reader(self.master)
        os.close(self.master)
        await asyncio.wait_for(self.process.wait(), 30)
        _, left = await asyncio.to_thread(psutil.wait_procs, running, 30)
        for process in left:
            process.kill()
        return [process.name() for process in left]


def pattern_of(line: str) -> re.Pattern[str]:
    return re.compile("^" + ".*".join(map(re.escape, line.split("…"))) + "$", re.MULTILINE)


async def open_terminal(folder: Path, environment: Mapping[str, str]) -> Terminal:
    master, slave = pty.openpty()
    os.set_blocking(master, False)
    # What is typed is not shown, so that a test finds only answers.
    modes = termios.tcgetattr(slave)
    modes[3] &= ~termios.ECHO
    termios.tcsetattr(slave, termios.TCSANOW, modes)
    process = await asyncio.create_subprocess_exec(
        *("setsid", "--ctty", "bash", "--norc", "--noprofile", "--noediting", "-i"),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=folder,
        env={**environment, **PROMPTS},
    )
    os.close(slave)
    return Terminal(process, master)
