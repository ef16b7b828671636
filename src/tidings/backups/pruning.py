"""Deleting what retention lets go, and what never came into existence. Whatever has a manifest that cannot be read is left alone."""

from datetime import datetime, timedelta

from loguru import logger

from tidings.backups.drafts import Place, remove_remains, resumable
from tidings.backups.manifest import FOLDER, Manifest, folder_of, manifests, path_of
from tidings.backups.retention import Generations, expendable
from tidings.backups.store import Store
from tidings.backups.wal_pruning import prune_wal
from tidings.platform.postgres import Connection

# Another machine's spool may still hold the rest of it.
SPARED_FOR = timedelta(days=1)
# One of which the database knows nothing, because it is a restored one, or another deployment's by mistake.
UNKNOWN_SPARED_FOR = timedelta(days=7)
ID_TIME, ID_TIME_CHARACTERS = "%Y%m%dT%H%M%S%z", 16
ENDED = "SELECT id, ended_at FROM backup_runs WHERE id = ANY($1) AND state = 'failed'"


async def prune(place: Place, generations: Generations, now: datetime) -> list[str]:
    """Delete what the generations let go; its ids. Raises StoreFailed."""
    found = [one async for one in manifests(place.store, place.keys)]
    known = [one for one in found if isinstance(one, Manifest)]
    gone = expendable(known, generations, now)
    for manifest in gone:
        await delete_backup(place.store, manifest.id)
    if len(known) == len(found):
        await prune_wal(place, [manifest for manifest in known if manifest not in gone], generations, now)
    else:
        logger.warning("Not every manifest can be read: what those need of the WAL and the journal is not known, and all of it is kept.")
    return [manifest.id for manifest in gone]


async def delete_backup(store: Store, backup: str) -> None:
    """The manifest first: from then on it does not exist, and what is left are remains."""
    await store.delete([path_of(backup)])
    await delete_parts(store, backup)


async def sweep_spool(place: Place) -> list[str]:
    """Remove what a worker of this machine left behind when it was killed; ids. For who has just claimed a run: no other is under way."""
    waiting = set(resumable(place.spool))
    left = [path.name for path in place.spool.glob("*/") if path.name not in waiting]
    for backup in left:
        await remove_remains(place, backup)
    return left


async def sweep_store(place: Place, connection: Connection, now: datetime) -> list[str]:
    """Remove what runs of other machines left behind, a day after they failed; ids. Raises StoreFailed."""
    there = await without_manifest(place.store)
    failed = {row["id"]: row["ended_at"] for row in await connection.fetch(ENDED, there)}
    left = []
    for backup in there:
        ended_at = failed.get(backup)
        if ended_at < now - SPARED_FOR if ended_at else begun_before(backup, now - UNKNOWN_SPARED_FOR):
            await delete_parts(place.store, backup)
            left.append(backup)
    return left


async def without_manifest(store: Store) -> list[str]:
    return [backup for backup in await store.folders(FOLDER) if not await store.has(path_of(backup))]


async def delete_parts(store: Store, backup: str) -> None:
    await store.delete([stored.path async for stored in store.below(folder_of(backup))])


def begun_before(backup: str, when: datetime) -> bool:
    """By its id. What has none of ours is not ours."""
    try:
        return datetime.strptime(backup[:ID_TIME_CHARACTERS], ID_TIME) < when
    except ValueError:
        return False
