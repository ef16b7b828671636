"""Deleting the WAL and the entries of the journal that no backup needs any more."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from tidings.backups.archive import COVERED, FOLDER
from tidings.backups.drafts import Place
from tidings.backups.journal import prune_journal
from tidings.backups.manifest import Manifest
from tidings.backups.retention import Generations, needed_wal
from tidings.backups.segments import HISTORY, PARTIAL, SEGMENT

# Of a cluster without a base backup: its first may be under way.
SPARED_FOR = timedelta(days=7)


async def prune_wal(place: Place, kept: Sequence[Manifest], generations: Generations, now: datetime) -> int:
    """kept: the backups there are; how many objects went. Raises StoreFailed."""
    gone: list[str] = []
    for server in await place.store.folders(FOLDER):
        needed = needed_wal([manifest for manifest in kept if manifest.origin.server == server], generations)
        objects = [stored async for stored in place.store.below(f"{FOLDER}/{server}")]
        if needed.since is None:
            is_left = all(stored.modified < now - SPARED_FOR for stored in objects)
            gone += [stored.path for stored in objects] if is_left else []
            continue
        names = {stored.path: stored.path.rsplit("/", 1)[-1] for stored in objects}
        segments = {path: name.removesuffix(PARTIAL) for path, name in names.items() if name != COVERED and not HISTORY.fullmatch(name)}
        gone += [path for path, segment in segments.items() if SEGMENT.fullmatch(segment) and not needed.includes(segment)]
    await place.store.delete(gone)
    if kept:
        await prune_journal(place, min(manifest.began_at for manifest in kept))
    return len(gone)
