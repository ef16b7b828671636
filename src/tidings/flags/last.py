"""The flags a process knew last, in a file of the state folder, for a start while PostgreSQL is away.

All processes of a machine write the same file, each the whole and in one step; whichever is older is written again within the second.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
from loguru import logger

FILE = "flags.json"


class Row(msgspec.Struct, frozen=True):
    """definition: JSON, as PostgreSQL has it."""

    key: str
    version: int
    definition: str


def kept(state_dir: Path) -> list[Row]:
    """Nothing when there is no file, or none that can be read."""
    try:
        return msgspec.json.decode((state_dir / FILE).read_bytes(), type=list[Row])
    except FileNotFoundError:
        return []
    except (OSError, msgspec.MsgspecError) as error:
        logger.warning("the flags kept in {} cannot be read ({})", FILE, type(error).__name__)
        return []


def keep(state_dir: Path, rows: Sequence[Row]) -> None:
    """In one step, so that a reader finds the old ones or the new ones. Does nothing where nothing can be written: a container's root."""
    beside = state_dir / f".{FILE}.{os.getpid()}"
    try:
        beside.write_bytes(msgspec.json.encode(rows))
        beside.replace(state_dir / FILE)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        logger.debug("flags are kept in memory only ({})", type(error).__name__)
