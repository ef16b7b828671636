"""A program: pipes so many megabytes into a backup and out of it again, and prints what memory that took, in bytes."""

import asyncio
import os
import resource
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

from tidings.backups.artefacts import read_artefact
from tidings.backups.drafts import Draft, Place
from tidings.backups.manifest import Content, Origin
from tidings.backups.store import open_store
from tidings.vault.ring import Ring

MEGABYTE = 1024 * 1024


async def source(megabytes: int) -> AsyncIterator[bytes]:
    """Half of it cannot be compressed."""
    for _ in range(megabytes):
        yield os.urandom(MEGABYTE // 2) + bytes(MEGABYTE // 2)


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


async def main(folder: Path, megabytes: int) -> None:
    now, before = datetime.now(UTC), peak()
    place = Place(open_store(f"file://{folder}/store"), Ring([bytes(32)]), folder / "spool")
    async with Draft(place, "memory", "logical", now, lambda plain, sent: None) as draft:
        artefact = await draft.add("dump", source(megabytes))
        await draft.finish(Origin("", "", "", "", 1), Content({}, {}), now)
    size = sum([len(piece) async for piece in read_artefact(place.store, place.keys, "memory", artefact)])
    assert size == megabytes * MEGABYTE
    sys.stdout.write(str(peak() - before))


asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
