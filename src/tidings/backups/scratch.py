"""A folder for a copy that is thrown away: restored in order to be looked at, by whoever proves a backup or measures a drill."""

import asyncio
import hashlib
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tidings.backups.drafts import Place
from tidings.platform.embedded.place import SHARED, data_folder, make_state

FOLDER = "scratch"


@asynccontextmanager
async def scratch(place: Place) -> AsyncIterator[Path]:
    """Empty, and of the servers' user. What a killed run left there is removed first: one runs at a time."""
    state = place.spool.parent / FOLDER
    # A cluster of a terabyte is many files, and the WAL is streamed meanwhile.
    await asyncio.to_thread(forget, state)
    try:
        yield data_folder(make_state(state), "postgres", fresh=True)
    finally:
        await asyncio.to_thread(forget, state)


def forget(state: Path) -> None:
    shutil.rmtree(state, ignore_errors=True)
    # Where root's servers keep what lies below a folder that they may not enter.
    elsewhere = SHARED / "state" / hashlib.sha256(str(state).encode()).hexdigest()[:16]
    if os.geteuid() == 0 and elsewhere.exists():
        shutil.rmtree(elsewhere, ignore_errors=True)
