"""A backup is good when it was restored: into a cluster that is thrown away, held against its manifest, and served from."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import asyncpg
import msgspec

from tidings.backups.cluster import WITHOUT_DURABILITY
from tidings.backups.drafts import Place
from tidings.backups.errors import Damaged, Missing, WalBroken
from tidings.backups.manifest import Manifest, manifests, read_manifest, write_manifest
from tidings.backups.proofs import check_content, check_credentials, check_structure
from tidings.backups.readiness import Ready, make_ready
from tidings.backups.recovery import THE_END, Moment
from tidings.backups.restore import Opened, restored
from tidings.backups.scratch import scratch
from tidings.backups.serving import check_serving
from tidings.backups.work import Result, Work
from tidings.platform.postgres import Database, open_database
from tidings.vault import load_vault

NEVER = datetime.min.replace(tzinfo=UTC)


async def verify(work: Work) -> Result:
    """The backup that the run names, else the newest of the kind that was not tried for longer.

    What it finds is written into the backup's manifest.
    Raises BackupFailed. A backup is called bad only for what is wrong with itself: not when there is no room here, or no program, nor
    for what was streamed after it, or for the journal.
    """
    manifest = await chosen(work.place, work.run.backup)
    work.run.backup = manifest.id
    try:
        result = await proven(work, manifest, await furthest(work.place, manifest))
    except (Damaged, Missing) as error:
        await write_down(work.place, manifest, state="failed", reason=str(error))
        raise
    except WalBroken:
        # Tried all the same: else it would be the next again, and dumps never had their turn.
        await write_down(work.place, manifest)
        raise
    await write_down(work.place, manifest, state="verified", reason=None, verified_at=datetime.now(UTC))
    return result


async def chosen(place: Place, backup: str | None) -> Manifest:
    """Raises Missing."""
    if backup is not None:
        return await read_manifest(place.store, place.keys, backup)
    newest: dict[str, Manifest] = {}
    async for one in manifests(place.store, place.keys):
        if isinstance(one, Manifest) and (one.kind not in newest or one.made_at > newest[one.kind].made_at):
            newest[one.kind] = one
    if not newest:
        raise Missing("There is no backup in the store.")
    return min(newest.values(), key=lambda one: one.checked_at or NEVER)


async def furthest(place: Place, manifest: Manifest) -> Moment:
    """The end of what is in the store; of a base backup that is not the newest its own end: of what came after it not all is kept."""
    if manifest.wal is None:
        return THE_END
    known = [one async for one in manifests(place.store, place.keys) if isinstance(one, Manifest) and one.wal is not None]
    is_newest = manifest.id == max(known, key=lambda one: one.made_at).id
    return THE_END if is_newest else Moment(position=manifest.wal.end)


async def nothing_more(_: Opened) -> None: ...


async def proven(work: Work, manifest: Manifest, moment: Moment, more: Callable[[Opened], Awaitable[None]] = nothing_more) -> Result:
    """How long it took until it served, and what was seen. more: to be checked. Raises BackupFailed."""
    begun = time.monotonic()

    def tell(step: str, done: int, of: int) -> None:
        work.tell(f"{step}, {done} of {of}" if of else step)

    async with (
        scratch(work.place) as folder,
        restored(work.settings, work.place, manifest, moment, folder, WITHOUT_DURABILITY, tell) as opened,
    ):
        recovered_s = time.monotonic() - begun
        await check_restored(opened, manifest)
        await more(opened)
        checked_s = time.monotonic() - begun - recovered_s
        ready = await make_ready(work.settings, work.place, opened.url, tell)
        async with opened_database(opened.url) as database:
            async with database.system.acquire() as connection:
                credentials = await check_credentials(connection, load_vault(work.settings))
            work.tell("serving")
            served = await check_serving(work.settings, database, opened.url)
        # What the checks took is no part of bringing it back.
        restore_s = time.monotonic() - begun - checked_s
    return {
        "recovered_seconds": round(recovered_s, 2),
        "restore_seconds": round(restore_s, 2),
        "checked": f"amcheck, {len(manifest.content.rows)} tables, {len(manifest.content.heads)} logs",
        "credentials_of_projects": credentials,
        "served": served,
        **told_of(ready),
    }


async def check_restored(opened: Opened, manifest: Manifest) -> None:
    connection = await asyncpg.connect(opened.superuser_url, timeout=10)
    try:
        await check_content(connection, manifest)
    finally:
        connection.terminate()
    await check_structure(opened.cluster, opened.superuser, opened.database)


@asynccontextmanager
async def opened_database(url: str) -> AsyncIterator[Database]:
    database = await open_database(url, tenant_size=1, system_size=2, name="tidings restore")
    try:
        yield database
    finally:
        await database.close()


def told_of(ready: Ready) -> Result:
    return {
        "held": ready.held,
        "replayed": {kind: count for kind, count in ready.replayed.items() if count},
        "migrated": len(ready.migrated),
    }


async def write_down(place: Place, manifest: Manifest, **found: object) -> None:
    """That it was tried now. found: members of its manifest. Raises BackupFailed."""
    known = await read_manifest(place.store, place.keys, manifest.id)
    await write_manifest(place.store, place.keys, msgspec.structs.replace(known, checked_at=datetime.now(UTC), **found))
