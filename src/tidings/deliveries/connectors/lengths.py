"""Cutting texts to what a service takes."""

from bisect import bisect_left
from collections.abc import Callable


def cut(text: str, most: int) -> str:
    """At most so many characters, with an ellipsis in place of what is gone.

    Counted as UTF-16: services that count characters otherwise count fewer.
    """
    return cut_until(text, lambda shorter: utf16_length(shorter) <= most)


def cut_until(text: str, fits: Callable[[str], bool]) -> str:
    """The longest beginning that fits with its ellipsis; empty when not even that does."""
    if fits(text):
        return text
    too_long = bisect_left(range(len(text)), True, key=lambda length: not fits(beginning(text, length)))
    return beginning(text, too_long - 1) if too_long else ""


def beginning(text: str, length: int) -> str:
    return text[:length].rstrip() + "…"


def utf16_length(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2
