"""`tidings doctor` as a process, and its report in the hands of a test."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from dataclasses import dataclass
from typing import Any


@dataclass
class Examined:
    """What came of it.   report: where it was asked for as JSON."""

    code: int
    out: str
    err: str

    @property
    def report(self) -> Any:
        return json.loads(self.out)

    @property
    def severities(self) -> dict[str, str]:
        return {finding["id"]: finding["severity"] for finding in self.report["findings"]}

    @property
    def flaws(self) -> dict[str, str]:
        return {id: severity for id, severity in self.severities.items() if severity != "ok"}

    @property
    def unchecked(self) -> dict[str, str]:
        return {one["id"]: one["why"] for one in self.report["unchecked"]}

    def finding(self, id: str) -> Any:
        (found,) = [finding for finding in self.report["findings"] if finding["id"] == id]
        return found


async def begin_doctor(url: str, *arguments: str, **environment: str) -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tidings.cli", "doctor", url, *arguments),
        stdin=DEVNULL if "TIDINGS_TOKEN" in environment else PIPE,
        stdout=PIPE,
        stderr=PIPE,
        env=dict(os.environ) | environment,
    )


async def examined(process: Process, typed: str = "") -> Examined:
    out, err = await asyncio.wait_for(process.communicate(typed.encode() if process.stdin else None), 60)
    assert "Traceback" not in err.decode(), err.decode()
    return Examined(process.returncode or 0, out.decode(), err.decode())


async def doctor(url: str, token: str, *arguments: str, idle: float = 2, **environment: str) -> Examined:
    """Its report as JSON."""
    process = await begin_doctor(url, "--json", "--idle", str(idle), *arguments, **environment)
    return await examined(process, f"{token}\n")
