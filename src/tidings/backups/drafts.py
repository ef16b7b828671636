"""A backup while it is made: sealed into the spool, sent on its way part by part, and brought into existence by its manifest, last.

What a crash leaves is told apart by the draft of the manifest, which is written into the spool when all artefacts are sealed:

    with a draft       everything that is still missing in the store lies in the spool: the upload is resumed, here, by the next run
    without one        the output of pg_dump or pg_basebackup was cut off and cannot be read again: what there is of it is removed
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Self

import msgspec

from tidings.backups.artefacts import no_room, sha256, spool
from tidings.backups.errors import BackupFailed, Damaged
from tidings.backups.keys import load_backup_keys
from tidings.backups.manifest import Artefact, Content, Kind, Manifest, Origin, Wal, folder_of, part_path, path_of, write_manifest
from tidings.backups.store import Store, open_store
from tidings.backups.uploads import PATIENCE_S, Uploads
from tidings.errors import Misconfigured
from tidings.platform.embedded.memory import write_private
from tidings.platform.ids import random_id
from tidings.settings import Settings
from tidings.vault.ring import Ring

DRAFT, SPOOL = "draft.json", "backups"


class Place(NamedTuple):
    """Where backups are made and kept. spool: a folder of this machine.   patience_s: what the store may be away for during a run."""

    store: Store
    keys: Ring
    spool: Path
    patience_s: float = PATIENCE_S


# plain bytes sealed, sealed bytes that are in the store
Tell = Callable[[int, int], None]


def place_of(settings: Settings) -> Place:
    """Raises Misconfigured, also when TIDINGS_BACKUP_URL is not set."""
    if settings.backup_url is None:
        raise Misconfigured("Backups are off: set TIDINGS_BACKUP_URL to file:///FOLDER or s3://BUCKET/PREFIX.")
    return Place(open_store(settings.backup_url), load_backup_keys(settings), settings.state_dir.resolve() / SPOOL)


def new_id(now: datetime) -> str:
    """In the order of time, and a folder's name. now: UTC."""
    return f"{now:%Y%m%dT%H%M%SZ}-{random_id('', 6).removeprefix('_')}"


class Draft:
    """A backup being made.

        async with Draft(place, backup, "logical", now, tell) as draft:
            await draft.add("dump", output_of_pg_dump)
            manifest = await draft.finish(origin, content, made_at)

    When the body raises, what there is of it is removed, here and in the store, unless only its upload is left to do.
    """

    def __init__(self, place: Place, backup: str, kind: Kind, began_at: datetime, tell: Tell) -> None:
        """tell: told how far it is, at each part."""
        self.place = place
        self.backup = backup
        self.kind = kind
        self.began_at = began_at
        self.tell = tell
        self.folder = place.spool / backup
        self.artefacts: list[Artefact] = []
        self.sealed = 0
        self.is_sealed = False

    async def __aenter__(self) -> Self:
        with no_room(self.folder):
            self.folder.mkdir(parents=True, mode=0o700)
        self.uploads = Uploads(self.place.store, self.backup, self.folder, self.place.patience_s)
        return self

    async def __aexit__(self, failed: type[BaseException] | None, *_: object) -> None:
        await self.uploads.stop()
        if failed is not None and not self.is_sealed:
            await remove_remains(self.place, self.backup)

    async def add(self, name: str, source: AsyncIterator[bytes]) -> Artefact:
        """Seal what comes, and begin to upload it. Raises DiskFull, and what the source raises."""
        before = self.sealed

        def on_part(name: str, number: int, plain: int) -> None:
            self.sealed = before + plain
            self.uploads.add(name, number)
            self.tell(self.sealed, self.uploads.sent)

        artefact = await spool(source, self.place.keys, self.backup, name, self.folder, on_part)
        self.artefacts.append(artefact)
        return artefact

    async def finish(self, origin: Origin, content: Content, made_at: datetime, wal: Wal | None = None) -> Manifest:
        """Upload the rest, then the manifest. Raises StoreFailed, DiskFull; `resume` goes on from there."""
        manifest = Manifest(
            id=self.backup,
            kind=self.kind,
            began_at=self.began_at,
            made_at=made_at,
            origin=origin,
            content=content,
            artefacts=tuple(self.artefacts),
            wal=wal,
        )
        with no_room(self.folder):
            write_private(self.folder / DRAFT, msgspec.json.encode(manifest))
        self.is_sealed = True
        await self.uploads.finish()
        self.tell(self.sealed, self.uploads.sent)
        await bring_into_existence(self.place, manifest)
        return manifest


def resumable(spool: Path) -> list[str]:
    """Backups of which only the upload is left to do, the oldest first."""
    return sorted(path.parent.name for path in spool.glob(f"*/{DRAFT}"))


async def resume(place: Place, backup: str, tell: Tell) -> Manifest:
    """Upload what is left. Raises Damaged when what is in the spool and the store is not all of it, StoreFailed, DiskFull."""
    folder = place.spool / backup
    try:
        manifest = msgspec.json.decode((folder / DRAFT).read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError) as error:
        raise Damaged(f"The upload of {backup} cannot be resumed: its draft cannot be read.") from error
    left = await left_to_upload(place.store, folder, manifest)
    uploads = Uploads(place.store, backup, folder, place.patience_s)
    try:
        for name, number in left:
            uploads.add(name, number)
        tell(sum(artefact.plain_size for artefact in manifest.artefacts), 0)
        await uploads.finish()
    finally:
        await uploads.stop()
    await bring_into_existence(place, manifest)
    return manifest


async def left_to_upload(store: Store, folder: Path, manifest: Manifest) -> list[tuple[str, int]]:
    """Artefacts and numbers of parts. Raises Damaged when one is neither here as it was sealed nor in the store."""
    there = {stored.path: stored.size async for stored in store.below(folder_of(manifest.id))}
    left = []
    for artefact in manifest.artefacts:
        for number, part in enumerate(artefact.parts, 1):
            path, here = part_path(manifest.id, artefact.name, number), folder / artefact.name / f"{number:06d}"
            if here.exists() and await asyncio.to_thread(sha256_of, here) == part.sha256:
                left.append((artefact.name, number))
            elif there.get(path) != part.size:
                raise Damaged(f"The upload of {manifest.id} cannot be resumed: {path} is neither in the spool nor in the store.")
    return left


def sha256_of(part: Path) -> str:
    return sha256(part.read_bytes())


async def bring_into_existence(place: Place, manifest: Manifest) -> None:
    await write_manifest(place.store, place.keys, manifest)
    shutil.rmtree(place.spool / manifest.id, ignore_errors=True)


async def remove_remains(place: Place, backup: str) -> None:
    """Of a backup that never came into existence; what cannot be reached now is left to the next sweep (`pruning.py`).

    One that did is left alone: its spool may still be there when its worker was killed right after it had written the manifest.
    """
    shutil.rmtree(place.spool / backup, ignore_errors=True)
    with suppress(BackupFailed):
        if await place.store.has(path_of(backup)):
            return
        await place.store.delete([stored.path async for stored in place.store.below(folder_of(backup))])
