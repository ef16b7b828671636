"""Which events a mapping is for: `{"type": "invoice.paid", "data.object.paid": true}`.

Every member path must hold what is asked: a value equal to it, one of a list, or a text that begins as one ending in `*` does. A member
that is missing equals nothing; null equals null. Numbers are compared as numbers, and true is no 1.
"""

from collections.abc import Mapping
from typing import Any

from tidings.sources.paths import Event, member, parse_path


def fits(when: Mapping[str, Any], event: Event) -> bool:
    return all(holds(member(event, parse_path(path)), wanted) for path, wanted in when.items())


def holds(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, list):
        return any(holds(value, one) for one in wanted)
    if isinstance(wanted, str) and wanted.endswith("*"):
        return isinstance(value, str) and value.startswith(wanted[:-1])
    return kind_of(value) == kind_of(wanted) and bool(value == wanted)


def kind_of(value: Any) -> type:
    return float if type(value) is int else type(value)
