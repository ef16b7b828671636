"""What the doctor answers, as in a browser."""

from typing import Literal

import msgspec

from tidings.cli.doctor.measured import Measured

Severity = Literal["ok", "warning", "error"]
FindingId = Literal[
    "reachable",
    "token",
    "certificate",
    "protocol",
    "opening",
    "buffering",
    "compression",
    "caching",
    "heartbeats",
    "stream-idle",
    "poll-idle",
    "clock",
    "drain",
]


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at.   found: what was measured.   change: what to do about it, and where; None when it is ok."""

    id: FindingId
    severity: Severity
    title: str
    found: str
    change: str | None


class Unchecked(msgspec.Struct, frozen=True):
    """One thing that could not be looked at."""

    id: FindingId
    why: str


class Report(msgspec.Struct, frozen=True):
    """ok: nothing to change, so no warning and no error.   facts: what the findings rest on."""

    ok: bool
    findings: list[Finding]
    unchecked: list[Unchecked]
    facts: Measured
