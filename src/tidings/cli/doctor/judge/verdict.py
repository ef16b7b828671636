"""How a judgement is put, and how numbers are read out."""

from typing import Literal

from tidings.cli.doctor.report import Finding, FindingId, Unchecked

Verdict = Finding | Unchecked


def fine(id: FindingId, title: str, found: str) -> Finding:
    return Finding(id, "ok", title, found, None)


def flaw(id: FindingId, severity: Literal["warning", "error"], title: str, found: str, change: str) -> Finding:
    return Finding(id, severity, title, found, change)


def seconds(value: float) -> str:
    """0.02 s, 3.1 s, 70 s."""
    digits = 2 if value < 1 else 1 if value < 10 else 0
    return f"{value:.{digits}f} s"


def rounded(value: float) -> int:
    """Halves upwards, as browsers do."""
    return int(value + 0.5)
