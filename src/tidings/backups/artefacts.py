"""An artefact on its way: from a program's output into sealed parts in the spool, and from the store back to a program's input.

The spool is a folder of this machine (TIDINGS_STATE_DIR/backups). A part lies there from when it is sealed until it is uploaded
(`uploads.py`), so a slow store does not keep a snapshot of the database open, and one that is away for a while costs no backup.
"""

import asyncio
import errno
import hashlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Any

from tidings.backups.errors import Damaged, DiskFull
from tidings.backups.manifest import Artefact, Part, part_path
from tidings.backups.sealed import Opener, Sealer
from tidings.backups.store import Store
from tidings.platform.ending import end_tasks
from tidings.vault.ring import Ring

# 1 TB is 120,000 objects. With parts of 16 MiB a gigabyte took 245 MiB of memory on its way, with these 201.
PART_BYTES = 8 * 1024 * 1024
FETCHED_AHEAD = 2
GATHERED_BYTES = 1024 * 1024

# name, number, plain bytes of the artefact so far
OnPart = Callable[[str, int, int], None]


async def spool(source: AsyncIterator[bytes], keys: Ring, backup: str, name: str, folder: Path, on_part: OnPart) -> Artefact:
    """Seal the source into `folder/NAME/000001` and so on.

    on_part: told when a part lies there whole.   Raises DiskFull, and what the source raises.
    """
    sealer, parts = Sealer(keys, f"{backup}/{name}"), Parts(folder / name)

    def seal_on(plain: bytes) -> list[int]:
        return parts.add(sealer.feed(plain))

    with no_room(folder):
        try:
            async for plain in source:
                for number in await asyncio.to_thread(seal_on, plain):
                    on_part(name, number, sealer.plain_size)
            for number in await asyncio.to_thread(parts.add, sealer.end()):
                on_part(name, number, sealer.plain_size)
        finally:
            parts.close()
    if parts.size:
        on_part(name, parts.end(), sealer.plain_size)
    return Artefact(name, sealer.plain_size, sealer.plain_sha256, tuple(parts.done))


async def read_artefact(store: Store, keys: Ring, backup: str, artefact: Artefact) -> AsyncIterator[bytes]:
    """What was sealed, in pieces. Each part is held against the manifest's checksum, and the whole at the end.

    Raises Missing, Damaged, WrongKey, StoreFailed; what came before that is authentic, and not all.
    """
    opener, whole = Opener(keys, f"{backup}/{artefact.name}"), hashlib.sha256()
    async for sealed in read_parts(store, backup, artefact):
        # Not a part at once: the opener would hold a second copy of it.
        for start in range(0, len(sealed), GATHERED_BYTES):
            pieces = opener.feed(sealed[start : start + GATHERED_BYTES])
            while plain := await asyncio.to_thread(gathered, pieces, whole):
                yield plain
    pieces = opener.end()
    while plain := await asyncio.to_thread(gathered, pieces, whole):
        yield plain
    if whole.hexdigest() != artefact.plain_sha256:
        raise Damaged(f"{backup}/{artefact.name} opens, and is not what its manifest says.")


async def read_parts(store: Store, backup: str, artefact: Artefact) -> AsyncIterator[bytes]:
    """As they are in the store, the next ones fetched meanwhile. Raises Missing, Damaged, StoreFailed."""
    coming: deque[asyncio.Task[bytes]] = deque()
    try:
        for number, part in enumerate(artefact.parts, 1):
            coming.append(asyncio.create_task(read_part(store, part_path(backup, artefact.name, number), part)))
            if len(coming) > FETCHED_AHEAD:
                yield await coming.popleft()
        while coming:
            yield await coming.popleft()
    finally:
        await end_tasks(coming)


async def read_part(store: Store, path: str, part: Part) -> bytes:
    data = await store.get(path)
    if len(data) != part.size:
        raise Damaged(f"{path} has {len(data)} bytes instead of {part.size}.")
    if await asyncio.to_thread(sha256, data) != part.sha256:
        raise Damaged(f"{path} is not as it was written: its checksum differs.")
    return data


def gathered(pieces: Iterator[bytes], whole: Any) -> bytes:
    """So much that going to a thread for it pays; empty at the end."""
    some = bytearray()
    for piece in pieces:
        some += piece
        if len(some) >= GATHERED_BYTES:
            break
    whole.update(some)
    return bytes(some)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Parts:
    """The files of an artefact in the spool. done: those that are whole."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.done: list[Part] = []
        self.file: FileIO | None = None
        self.size = 0
        self.hash = hashlib.sha256()

    def add(self, sealed: bytes) -> list[int]:
        """The numbers of the parts that it made whole."""
        whole, rest = [], memoryview(sealed)
        while len(rest):
            room = PART_BYTES - self.size
            self.write(rest[:room])
            rest = rest[room:]
            if self.size == PART_BYTES:
                whole.append(self.end())
        return whole

    def write(self, sealed: memoryview) -> None:
        if self.file is None:
            # Unbuffered: what does not fit on the disk is told here, and not when the file is closed.
            self.file = (self.folder / f"{len(self.done) + 1:06d}").open("wb", buffering=0)
        self.hash.update(sealed)
        self.size += len(sealed)
        while len(sealed):
            # On a disk that is all but full it writes a piece, and raises only for the next one.
            sealed = sealed[self.file.write(sealed) :]

    def end(self) -> int:
        """The number of the part that this makes whole."""
        self.close()
        self.done.append(Part(self.size, self.hash.hexdigest()))
        self.size, self.hash = 0, hashlib.sha256()
        return len(self.done)

    def close(self) -> None:
        if self.file is not None:
            self.file.close()
            self.file = None


@contextmanager
def no_room(folder: Path) -> Iterator[None]:
    """A full disk, as an error of ours that says which."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"{folder} has no room for what is to be written there.") from error
        raise
