"""Flags as `tidings flags` shows them to people."""

import json
from collections.abc import Sequence

from tidings.flags.known import Known
from tidings.flags.structs import Definition, Explained, FlagChange, FlagInfo, Serve


def state_of(definition: Definition | None) -> str:
    if definition is None:
        return "gone, or not readable"
    if not definition.enabled:
        return "off"
    served = served_in_words(definition.serve)
    return served if not definition.rules else f"{len(definition.rules)} rules, else {served}"


def served_in_words(serve: Serve) -> str:
    return serve if isinstance(serve, str) else ", ".join(f"{name} {weight:g}" for name, weight in serve.weights.items())


def default_of(asked: Known) -> str:
    return f"{'on' if asked.default else 'off'} (by default)"


def told_by(flag: FlagInfo) -> str:
    return f"version {flag.version}, {flag.changed_at:%Y-%m-%d %H:%M} by {flag.changed_by}" + (f": {flag.reason}" if flag.reason else "")


def step_of(step: FlagChange) -> str:
    before = "nothing" if step.before is None else state_of(step.before)
    after = "nothing" if step.after is None else state_of(step.after)
    why = f": {step.reason}" if step.reason else ""
    return f"{step.version: >4}  {step.changed_at:%Y-%m-%d %H:%M:%S}  {before} → {after}  by {step.changed_by}{why}"


def explained_in_words(found: Explained) -> str:
    parts: Sequence[str | None] = (
        f"{found.key} is {json.dumps(found.value)}",
        None if found.variant is None else f"variant {found.variant}",
        found.reason if found.rule is None else f"{found.reason}, rule {found.rule}",
        None if found.bucket is None else f"at {found.bucket:.3f} of 100",
        found.error_details,
        f"version {found.version}" if found.version else "nobody set it",
    )
    return ", ".join(part for part in parts if part is not None)
