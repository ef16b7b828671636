"""What every process shows of itself at /metrics: what it is, how late its loop wakes up, and the disk on which its state lies.

Memory, processor time, descriptors and the start are prometheus_client's own (`process_…`).
"""

import asyncio
import platform
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tidings import __version__
from tidings.platform.ending import end_tasks
from tidings.platform.metrics import BUILD, DISK_FREE, DISK_SIZE, LOOP_LAG

LOOKS_EVERY_S = 1.0


def show_process(name: str, state: Path) -> None:
    """name: of the process, as in `api`.   state: the folder; containers may have none."""
    BUILD.labels(__version__, platform.python_version(), name).set(1)
    if state.is_dir():
        DISK_FREE.set_function(lambda: shutil.disk_usage(state).free)
        DISK_SIZE.set_function(lambda: shutil.disk_usage(state).total)


@asynccontextmanager
async def watched_loop() -> AsyncIterator[None]:
    """What holds the loop up holds up every stream and request of the process."""
    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        await end_tasks([watching])


async def watch() -> None:
    clock = asyncio.get_running_loop().time
    while True:
        due = clock() + LOOKS_EVERY_S
        await asyncio.sleep(LOOKS_EVERY_S)
        LOOP_LAG.observe(max(0.0, clock() - due))
