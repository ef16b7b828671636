"""Keyset pages: `{"items": […], "next": …}`. `next` is opaque to callers, null on the last page."""

import base64
import binascii
from collections.abc import Sequence
from typing import TypeVar

from tidings.errors import Malformed

T = TypeVar("T")


def encode_place(inner: int) -> str:
    return base64.urlsafe_b64encode(f"k{inner}".encode()).rstrip(b"=").decode()


def decode_place(after: str | None) -> int:
    """The inner id to go on after; 0 for the first page. Raises Malformed, saying what is expected."""
    if after is None:
        return 0
    try:
        text = base64.b64decode(after + "=" * (-len(after) % 4), altchars=b"-_", validate=True).decode("ascii")
        if not text.startswith("k") or not text[1:].isdecimal() or len(text) > 19:
            raise ValueError(text)
        return int(text[1:])
    except (binascii.Error, ValueError):
        raise Malformed(
            f"after={after!r} is no place in a list: pass `next` of the page before, as it was, or nothing.", field="after"
        ) from None


def cut(rows: Sequence[T], limit: int) -> tuple[Sequence[T], bool]:
    """Of limit + 1 rows that were asked for: those of the page, and whether more follow."""
    return rows[:limit], len(rows) > limit
