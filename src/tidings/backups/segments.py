"""The write-ahead log in names.

A position (LSN) is a number of bytes since the cluster was made, written as in "0/3000028". A segment is a file of so many of them (16 MiB
unless initdb was told otherwise), named by its timeline and number in 24 hexadecimal digits.
"""

import re
from collections.abc import Collection

SEGMENT = re.compile(r"[0-9A-F]{24}")
HISTORY = re.compile(r"[0-9A-F]{8}\.history")
# A segment that the server still writes, as far as it goes.
PARTIAL = ".partial"
NUMBERED = 2**32


def position_of(text: str) -> int:
    """Raises ValueError for what is no position."""
    high, low = text.split("/")
    return int(high, 16) * NUMBERED + int(low, 16)


def text_of(position: int) -> str:
    return f"{position // NUMBERED:X}/{position % NUMBERED:X}"


def segment_at(timeline: int, position: int, size: int) -> str:
    """The name of the segment that holds a position. size: bytes of a segment."""
    return named(timeline, position // size, size)


def named(timeline: int, number: int, size: int) -> str:
    each = NUMBERED // size
    return f"{timeline:08X}{number // each:08X}{number % each:08X}"


def timeline_of(segment: str) -> int:
    return int(segment[:8], 16)


def number_of(segment: str, size: int) -> int:
    return int(segment[8:16], 16) * (NUMBERED // size) + int(segment[16:24], 16)


def missing(names: Collection[str], first: str, size: int, least: int = 0) -> list[str]:
    """What is not there of the row that begins with a segment, up to the last that is there, whole or partial; timelines follow each other.

    least: the number of the segment up to which the row ought to go.   Empty where nothing of it is there, nor ought to be. The segment in
    which a timeline ends may be there by the name of the one or the other.
    """
    begin, timeline = number_of(first, size), timeline_of(first)
    there: dict[int, set[int]] = {}
    for name in names:
        if SEGMENT.fullmatch(name.removesuffix(PARTIAL)) and timeline_of(name) >= timeline and number_of(name, size) >= begin:
            there.setdefault(number_of(name, size), set()).add(timeline_of(name))
    gaps = []
    for number in range(begin, max([least, *there]) + 1):
        if number not in there:
            gaps.append(named(timeline, number, size))
        else:
            timeline = max(timeline, min(there[number]))
    return gaps
