"""Cursors: `EPOCH.POSITION`, a place in a shard's log.

The epoch is random, and renewed whenever history may have changed (a restore, a promoted replica, a stream ahead of the log);
a position of another epoch means nothing, and whoever brings one is told so (`reset`), never left in silence.
"""

import re
import secrets
from typing import NamedTuple

from tidings.errors import Malformed

SHAPE = re.compile(r"([a-z0-9]{8})\.(0|[1-9][0-9]{0,17})")
ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"


class Cursor(NamedTuple):
    epoch: str
    position: int

    def __str__(self) -> str:
        return f"{self.epoch}.{self.position}"


def parse_cursor(text: str) -> Cursor:
    """Raises Malformed, saying what a cursor looks like."""
    match = SHAPE.fullmatch(text)
    if match is None:
        raise Malformed(f"{text[:80]!r} is no cursor. A cursor looks like 'k3v9x2ab.1042': the epoch, a dot, a position.", field="cursor")
    return Cursor(match[1], int(match[2]))


def new_epoch() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(8))
