"""Member paths: how a mapping names a value of an event.

    data.object.number      a member of a member
    lines.data[0].amount    an element of an array, counted from 0
    @event, @id             of the event itself: its type and its id, wherever the sender puts them

A path is looked up in the JSON and nowhere else.
"""

import re
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

NAME = r"[A-Za-z0-9_\-]{1,100}"
STEP = rf"{NAME}(?:\[[0-9]{{1,4}}\])*"
PATH: Final = rf"(?:@event|@id|{STEP}(?:\.{STEP}){{0,15}})"

Path = tuple[str | int, ...]


class Event(msgspec.Struct, frozen=True):
    """id: the sender's, the same in each repetition.   type: as the sender calls it."""

    id: str
    type: str | None
    body: dict[str, Any]


def parse_path(text: str) -> Path:
    """Of what PATH matches."""
    return tuple(int(step[1:-1]) if step.startswith("[") else step for step in re.findall(rf"@?{NAME}|\[[0-9]+\]", text))


def member(event: Event, path: Path) -> Any | UnsetType:
    """UNSET when there is no such member."""
    if path[0] == "@event":
        return UNSET if event.type is None else event.type
    if path[0] == "@id":
        return event.id
    value: Any = event.body
    for step in path:
        if not has(value, step):
            return UNSET
        value = value[step]
    return value


def has(value: Any, step: str | int) -> bool:
    if isinstance(step, int):
        return isinstance(value, list) and step < len(value)
    return isinstance(value, dict) and step in value
