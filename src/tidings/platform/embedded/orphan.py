"""Ends a server that a killed supervisor left behind, so that a new one can be started on the same data.

On Linux the servers end with their supervisor, and this is only for one that is still on its way.
"""

import asyncio
import os
import signal
import subprocess
from pathlib import Path

from loguru import logger

ENDS_WITHIN_S = 15.0


async def end_orphan(pid_file: Path, mark: str, polite: signal.Signals) -> None:
    """mark: what the command line of that server contains; a process without it got the number of one long gone."""
    pid = pid_in(pid_file)
    if pid is None or mark not in command_line(pid):
        return
    logger.info("Ending the server that an earlier run left behind (process {}).", pid)
    for number in (polite, signal.SIGKILL):
        if await end(pid, mark, number):
            return


async def end(pid: int, mark: str, number: signal.Signals) -> bool:
    os.kill(pid, number)
    for _ in range(int(ENDS_WITHIN_S / 0.05)):
        if mark not in command_line(pid):
            return True
        await asyncio.sleep(0.05)
    return False


def pid_in(pid_file: Path) -> int | None:
    try:
        return int(pid_file.read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None


def command_line(pid: int) -> str:
    """Of a running process; empty when there is none."""
    if Path("/proc/self/cmdline").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            return ""
    listed = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)  # noqa: S603, S607
    return listed.stdout
