"""The order of versions, as Semantic Versioning 2.0 §11 says."""

import re

VERSION = re.compile(
    r"(0|[1-9]\d{0,17})\.(0|[1-9]\d{0,17})\.(0|[1-9]\d{0,17})(?:-((?:0|[1-9]\d{0,17}|\d*[A-Za-z-][0-9A-Za-z-]*)(?:\.(?:0|[1-9]\d{0,17}|\d*[A-Za-z-][0-9A-Za-z-]*))*))?"
    r"(?:\+[0-9A-Za-z.-]+)?",
    re.ASCII,
)

# Numbers come before words, and a release after all that led to it.
Precedence = tuple[tuple[int, int, int], bool, tuple[tuple[bool, int, str], ...]]


def precedence(version: str) -> Precedence | None:
    """What to compare; None for what is no version."""
    found = VERSION.fullmatch(version)
    if found is None:
        return None
    major, minor, patch, pre = found.groups()
    parts = tuple((False, int(part), "") if part.isdecimal() else (True, 0, part) for part in pre.split(".")) if pre else ()
    return (int(major), int(minor), int(patch)), pre is None, parts
