"""What goes wrong is found, named and written down; and what was good before stays."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest
from prometheus_client import REGISTRY
from running import until

from backups.ground import Backups, Bucket, Ground
from tidings.backups import artefacts
from tidings.backups.archive import STREAMED_LATELY, Archive, Covered
from tidings.backups.artefacts import read_artefact
from tidings.backups.drafts import resumable
from tidings.backups.errors import BackupFailed, Damaged, DiskFull, Missing, StoreFailed, WrongKey
from tidings.backups.journal import Journal
from tidings.backups.manifest import Manifest, part_path, path_of, read_manifest
from tidings.backups.observed import origin_of
from tidings.backups.runs import Run, state_of
from tidings.platform.ending import end_tasks
from tidings.vault.ring import Ring

Data = bytes | memoryview | Path
# Small, so that a small database makes several.
PART_BYTES = 64 * 1024
SMALL_DISK = "1500k"
MIB = 1024 * 1024


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artefacts, "PART_BYTES", PART_BYTES)


@pytest.fixture(scope="module", autouse=True)
async def a_megabyte(ground: Ground) -> AsyncIterator[None]:
    """That cannot be compressed, in the database."""
    noise = "(SELECT string_agg(sha512((n * 100 + i)::text::bytea), ''::bytea) FROM generate_series(1, 16) i)"
    await ground.execute(f"CREATE TABLE noise AS SELECT n, {noise} AS noise FROM generate_series(1, 1000) n")
    await ground.execute("GRANT SELECT ON noise TO tidings_backup")
    yield
    await ground.execute("DROP TABLE noise")


async def read(backups: Backups, manifest: Manifest) -> int:
    """How many bytes it restores to."""
    found = read_artefact(backups.place.store, backups.place.keys, manifest.id, manifest.artefact("dump"))
    return sum([len(piece) async for piece in found])


def failures(step: str = "make", kind: str = "logical") -> float:
    return REGISTRY.get_sample_value("tidings_backup_failures_total", {"kind": kind, "step": step}) or 0.0


async def test_a_flipped_byte_a_cut_and_a_missing_part_are_each_named(backups: Backups) -> None:
    store, manifest = backups.place.store, await backups.good()
    assert len(manifest.artefact("dump").parts) > 3
    assert await read(backups, manifest) == manifest.artefact("dump").plain_size
    path = part_path(manifest.id, "dump", 2)
    whole = await store.get(path)

    await store.put(path, whole[:1000] + bytes([whole[1000] ^ 1]) + whole[1001:])
    with pytest.raises(Damaged, match=f"{path} .*checksum"):
        await read(backups, manifest)
    await store.put(path, whole[:-1])
    with pytest.raises(Damaged, match=f"{path} has {len(whole) - 1} bytes"):
        await read(backups, manifest)
    await store.delete([path])
    with pytest.raises(Missing, match=path):
        await read(backups, manifest)


async def test_a_manifest_that_was_changed_or_is_another_s_is_named(in_folder: Backups) -> None:
    store, keys = in_folder.place.store, in_folder.place.keys
    first = await in_folder.proven(await in_folder.good())
    second = await in_folder.good()
    document = await store.get(path_of(first.id))

    await store.put(path_of(first.id), document.replace(b'"format": 1', b'"format": 2'))
    with pytest.raises(Damaged, match=first.id):
        await read_manifest(store, keys, first.id)
    await store.put(path_of(first.id), await store.get(path_of(second.id)))
    with pytest.raises(Damaged, match=first.id):
        await read_manifest(store, keys, first.id)
    await store.put(path_of(first.id), document[:100])
    with pytest.raises(Damaged, match=first.id):
        await read_manifest(store, keys, first.id)
    assert [one.id for one in await in_folder.all()] == [second.id], "the others are still found"


async def test_the_wrong_key_is_named_and_nothing_is_deleted_with_it(in_folder: Backups) -> None:
    manifest = await in_folder.good()
    stored = await in_folder.everything_stored()
    store, needed = in_folder.place.store, ["journal/epoch/00/1", "wal/1/000000010000000000000001"]
    for path in needed:
        await store.put(path, b"sealed under the same key")
        assert store.folder is not None
        os.utime(store.folder / path, (0, 0))
    stranger = Ring([os.urandom(32)])
    with pytest.raises(WrongKey, match=f"{in_folder.place.keys.newest}.*{stranger.newest}"):
        await read_manifest(in_folder.place.store, stranger, manifest.id)

    other = Backups(
        in_folder.ground, msgspec.structs.replace(in_folder.settings, backup_keys=tuple(stranger.keys.values()), backup_retention=())
    )
    await other.good()
    assert set(stored) < set(await in_folder.everything_stored())
    assert [path for path in needed if await store.has(path)] == needed


async def test_a_copy_that_is_looked_at_makes_no_backups_in_the_store_of_the_living_deployment(in_folder: Backups, ground: Ground) -> None:
    """Retention would let go of the living ones for its dumps."""
    connection = await asyncpg.connect(ground.url)
    origin = await origin_of(connection)
    await connection.close()
    archive, now = Archive(in_folder.place, origin.server, 16 * MIB), datetime.now(UTC)
    await archive.cover(Covered(origin.timeline + 1, "0/3000028", now))
    run = await in_folder.run("logical")
    assert run.state == "failed" and "Another cluster streams into this store" in (run.reason or "")
    with pytest.raises(BackupFailed, match="Another cluster streams into this store"):
        await Journal(in_folder.place, ground.database.system).advance()
    await archive.cover(Covered(origin.timeline + 1, "0/3000028", now - STREAMED_LATELY))
    await in_folder.good()


async def test_a_store_that_is_away_when_a_backup_begins_costs_none(in_folder: Backups) -> None:
    async def away(prefix: str) -> list[str]:
        raise StoreFailed("It does not answer.")

    in_folder.place.store.folders = away  # type: ignore[method-assign]
    assert (await in_folder.run("logical")).state == "done"


async def test_a_store_that_dies_half_way_fails_the_run_and_its_upload_is_resumed_when_it_is_back(
    ground: Ground, database_url: str, bucket: Bucket, tmp_path: Path
) -> None:
    backups = Backups(ground, ground.settings(tmp_path / "state", bucket.url(tmp_path.name)))
    good, before = await backups.good(), failures()
    backups.place.store.put = dying(backups, bucket, after=2)  # type: ignore[method-assign]
    try:
        run = await backups.run("logical")
    finally:
        bucket.start()
    assert (run.state, run.failure) == ("failed", "store") and "part" not in (run.reason or "")
    assert failures() == before + 1
    assert [one.id for one in await backups.all()] == [good.id]
    assert await read(backups, good) > 0
    assert resumable(backups.place.spool) == [run.id]

    resumed = await Backups(ground, backups.settings).doer.resume_next()
    assert resumed is not None and (resumed.id, resumed.state, resumed.failure) == (run.id, "done", None)
    newest = (await backups.all())[-1]
    assert newest.id == run.id and await read(backups, newest) == newest.artefact("dump").plain_size
    assert list(backups.place.spool.iterdir()) == []


def dying(backups: Backups, bucket: Bucket, after: int) -> Any:
    """A `put` whose server stops after so many parts."""
    put, count = backups.place.store.put, 0

    async def counting(path: str, data: Data) -> None:
        nonlocal count
        count += 1
        if count == after + 1:
            await asyncio.to_thread(bucket.stop)
        await put(path, data)

    return counting


async def test_a_worker_killed_while_it_uploads_is_followed_by_one_that_goes_on(in_folder: Backups) -> None:
    run = await failing_at_the_manifest(in_folder)
    # As the killed one leaves it: nobody wrote down that it failed.
    lost = "UPDATE backup_runs SET state = 'running', worker = 'killed', lease_until = now() - interval '1 s'"
    await in_folder.ground.database.system.execute(lost)
    resumed = await Backups(in_folder.ground, in_folder.settings).doer.resume_next()
    assert resumed is not None and (resumed.id, resumed.state) == (run.id, "done")
    (manifest,) = await in_folder.all()
    assert await read(in_folder, manifest) == manifest.artefact("dump").plain_size


async def test_an_upload_that_is_told_to_stop_is_not_begun_anew_elsewhere(in_folder: Backups, tmp_path: Path) -> None:
    """Resumed here afterwards, it would be put together of parts of both."""
    in_folder.place.store.put = waiting  # type: ignore[method-assign]
    await stopped_when(lambda: resumable(in_folder.place.spool), in_folder)
    elsewhere = Backups(in_folder.ground, msgspec.structs.replace(in_folder.settings, state_dir=tmp_path / "elsewhere"))
    assert await elsewhere.doer.do_next() is None
    resumed = await Backups(in_folder.ground, in_folder.settings).doer.resume_next()
    assert resumed is not None and (resumed.state, resumed.reason) == ("done", None)
    (manifest,) = await in_folder.all()
    assert await read(in_folder, manifest) == manifest.artefact("dump").plain_size


@pytest.mark.parametrize("left", ["draft.json", "of_the_dump"])
async def test_a_spool_left_behind_by_a_backup_that_was_made_does_not_delete_it(in_folder: Backups, left: str) -> None:
    good = await in_folder.proven(await in_folder.good())
    (in_folder.place.spool / good.id).mkdir()
    (in_folder.place.spool / good.id / left).write_bytes(b"{}")
    await in_folder.doer.resume_next()
    await in_folder.good()
    assert await read(in_folder, good) == good.artefact("dump").plain_size
    assert list(in_folder.place.spool.iterdir()) == []


async def test_an_upload_that_cannot_be_resumed_is_given_up_and_its_remains_removed(in_folder: Backups) -> None:
    good = await in_folder.good()
    run = await failing_at_the_manifest(in_folder)
    (part,) = sorted((in_folder.place.spool / run.id / "dump").iterdir())[-1:]
    part.write_bytes(b"of a disk that lost it")
    resumed = await Backups(in_folder.ground, in_folder.settings).doer.resume_next()
    assert resumed is not None and (resumed.state, resumed.failure) == ("failed", "damaged")
    assert list(in_folder.place.spool.iterdir()) == []
    assert {path.split("/")[1] for path in await in_folder.everything_stored()} == {good.id}


async def failing_at_the_manifest(backups: Backups) -> Run:
    """A run of which all is sealed, and nothing uploaded."""
    put = backups.place.store.put

    async def refuse(path: str, data: Data) -> None:
        raise DiskFull("The store has no room.")

    backups.place.store.put = refuse  # type: ignore[method-assign]
    run = await backups.run("logical")
    backups.place.store.put = put  # type: ignore[method-assign]
    assert (run.state, run.failure) == ("failed", "disk")
    return run


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, with less room than a backup takes."""
    if os.geteuid() != 0:
        pytest.skip("a small disk is a mount, and mounts are root's")
    disk = tmp_path / "small"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK}", "tmpfs", str(disk)], capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"this container may not mount a small disk: {mounted.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


async def test_a_store_without_room_is_named_and_the_backup_before_it_stays(
    ground: Ground, database_url: str, tmp_path: Path, small_disk: Path
) -> None:
    backups = Backups(ground, ground.settings(tmp_path / "state", f"file://{small_disk}"))
    good = await backups.proven(await backups.good())
    run = await backups.run("logical")
    assert (run.state, run.failure) == ("failed", "disk") and str(small_disk) in (run.reason or "")
    assert await read(backups, good) == good.artefact("dump").plain_size


async def test_a_spool_without_room_is_named_and_leaves_nothing(
    ground: Ground, database_url: str, tmp_path: Path, small_disk: Path
) -> None:
    (small_disk / "filler").write_bytes(bytes(1_100_000))
    backups = Backups(ground, ground.settings(small_disk, f"file://{tmp_path}/store"))
    backups.place.store.put = waiting  # type: ignore[method-assign]
    run = await backups.run("logical")
    assert (run.state, run.failure) == ("failed", "disk") and str(small_disk) in (run.reason or "")
    assert list(backups.place.spool.iterdir()) == [] and await backups.everything_stored() == []


async def waiting(path: str, data: Data) -> None:
    await asyncio.Event().wait()


async def test_a_program_that_is_older_than_the_server_is_named(in_folder: Backups, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "pg_dump").write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 13.4'\n")
    (programs / "pg_dump").chmod(0o755)
    old = Backups(in_folder.ground, msgspec.structs.replace(in_folder.settings, backup_programs=programs))
    run = await old.run("logical")
    assert (run.state, run.failure) == ("failed", "program")
    assert f"{programs}/pg_dump is of version 13" in (run.reason or "")
    assert await old.everything_stored() == [] and list(old.place.spool.iterdir()) == []


async def test_pg_dump_that_fails_fails_the_run_with_what_it_said(in_folder: Backups, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    version = "if [ $1 = --version ]; then echo 'pg_dump (PostgreSQL) 99.1'; exit; fi"
    (programs / "pg_dump").write_text(f"#!/bin/sh\n{version}\necho half of it; echo it broke >&2; exit 1\n")
    (programs / "pg_dump").chmod(0o755)
    broken = Backups(in_folder.ground, msgspec.structs.replace(in_folder.settings, backup_programs=programs))
    run = await broken.run("logical")
    assert (run.state, run.failure, run.reason) == ("failed", "program", "pg_dump failed: it broke")
    assert await broken.everything_stored() == [], "what has no manifest does not exist"


async def test_a_backup_that_is_made_stays_so_when_its_worker_is_told_to_stop_while_it_deletes_old_ones(in_folder: Backups) -> None:
    """Put back, it would be made anew under the same id, over its own parts."""
    deleting = asyncio.Event()

    async def never_ends(prefix: str) -> list[str]:
        if prefix == "backups":
            deleting.set()
            await asyncio.Event().wait()
        return []

    in_folder.place.store.folders = never_ends  # type: ignore[method-assign]
    await stopped_when(deleting.is_set, in_folder)
    del in_folder.place.store.folders
    (manifest,) = await in_folder.all()
    async with in_folder.ground.database.system.acquire() as connection:
        assert await state_of(connection, manifest.id) == "done"


async def stopped_when(is_there: Callable[[], object], backups: Backups) -> None:
    """A run that is told to stop then."""

    async def comes() -> bool:
        return bool(is_there())

    running = asyncio.create_task(backups.run("logical"))
    await until(comes, 30, "the run is there")
    await end_tasks([running])


async def test_what_retention_cannot_delete_does_not_make_the_new_backup_bad(in_folder: Backups) -> None:
    one = Backups(in_folder.ground, msgspec.structs.replace(in_folder.settings, backup_retention=(("hourly", 1),)))
    first, before = await one.good(), failures("prune")

    async def refuse(paths: list[str]) -> None:
        raise BackupFailed("The store does not let go.")

    one.place.store.delete = refuse  # type: ignore[method-assign, assignment]
    second = await one.good()
    assert [manifest.id for manifest in await one.all()] == [first.id, second.id] and failures("prune") == before + 1
    del one.place.store.delete
    third = await one.good()
    assert [manifest.id for manifest in await one.all()] == [third.id]
    assert {path.split("/")[1] for path in await one.everything_stored()} == {third.id}
