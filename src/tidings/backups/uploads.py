"""Parts on their way from the spool into the store: several at once, each tried again for as long as patience lasts."""

import asyncio
from pathlib import Path

from loguru import logger

from tidings.backups.errors import StoreFailed
from tidings.backups.manifest import part_path
from tidings.backups.store import Store
from tidings.platform.ending import end_tasks

AT_ONCE = 3
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
# What a store may be away for; what is in the spool by then is uploaded by the next run (`drafts.py`).
PATIENCE_S = 300.0


class Uploads:
    """folder: of the backup, in the spool.   sent: bytes of the parts that are in the store."""

    def __init__(self, store: Store, backup: str, folder: Path, patience_s: float = PATIENCE_S) -> None:
        self.store = store
        self.backup = backup
        self.folder = folder
        self.patience_s = patience_s
        self.sent = 0
        self.waiting: asyncio.Queue[tuple[str, int]] = asyncio.Queue()
        self.senders = [asyncio.create_task(self.send_on(), name=f"upload of {backup}") for _ in range(AT_ONCE)]

    def add(self, artefact: str, number: int) -> None:
        """A part that lies in the spool, whole. It is removed there when it is in the store."""
        self.waiting.put_nowait((artefact, number))

    async def finish(self) -> None:
        """Until all are in the store. Raises StoreFailed when patience ended, DiskFull; the rest is then still in the spool."""
        joined = asyncio.create_task(self.waiting.join())
        try:
            await asyncio.wait([joined, *self.senders], return_when=asyncio.FIRST_COMPLETED)
            for sender in self.senders:
                if sender.done():
                    sender.result()
        finally:
            await self.stop()
            joined.cancel()

    async def stop(self) -> None:
        await end_tasks(self.senders)

    async def send_on(self) -> None:
        while True:
            artefact, number = await self.waiting.get()
            part = self.folder / artefact / f"{number:06d}"
            size = part.stat().st_size
            await self.send(part, part_path(self.backup, artefact, number))
            part.unlink()
            self.sent += size
            self.waiting.task_done()

    async def send(self, part: Path, path: str) -> None:
        """Raises StoreFailed when the store was away for too long. A full disk does not empty itself: that is told at once."""
        clock, wait_s = asyncio.get_running_loop().time, FIRST_WAIT_S
        end = clock() + self.patience_s
        while True:
            try:
                return await self.store.put(path, part)
            except StoreFailed as error:
                if clock() + wait_s > end:
                    raise
                logger.warning("{} Trying again in {:g} s.", error, wait_s)
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)
