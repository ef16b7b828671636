"""What was found, or that all is well."""

from typing import Literal

import msgspec

Severity = Literal["error", "warning", "ok", "unknown"]


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """check: what was looked at.   means: what it does to people.   mend: the commands, in their order.   runbook: the longer way."""

    check: str
    severity: Severity
    title: str
    means: str = ""
    mend: tuple[str, ...] = ()
    runbook: str = ""


def well(check: str, title: str) -> Finding:
    return Finding(check, "ok", title)


def unknown(check: str, why: str) -> Finding:
    return Finding(check, "unknown", why)
