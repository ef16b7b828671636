"""Bringing backups back: to a moment, into what is new only, and what is told when something is wrong."""

import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import asyncpg
import msgspec
import pytest
from processes.test_command_line import as_json
from running import Project, until

from backups.ground import rows_of
from backups.house import House, connected, is_long, opened, url_of
from tidings.backups.archive import Covered
from tidings.backups.errors import BackupFailed, Damaged, DiskFull, Missing, WalBroken, WrongKey
from tidings.backups.loading import load
from tidings.backups.manifest import Manifest, read_manifest, write_manifest
from tidings.backups.readiness import make_ready
from tidings.backups.recovery import Moment
from tidings.backups.restore import Restored, restore_into_database
from tidings.backups.segments import named, position_of, text_of
from tidings.errors import Misconfigured
from tidings.events.cursor import new_epoch
from tidings.flags.store import DEPLOYMENT, set_flag
from tidings.flags.structs import Definition
from tidings.platform import migrate as migrating
from tidings.platform import migrations
from tidings.vault.ring import FILE as RING_FILE

MIB = 1024 * 1024
# Of a server of one's own: copied with its data folder, and in the way of whoever recovers it.
LEFT_BEHIND = (
    "logging_collector = on",
    "log_destination = csvlog",
    "recovery_target_name = 'of_long_ago'",
    "recovery_end_command = 'false'",
)


class Past(msgspec.Struct):
    """A house with a history: a base backup, then a table, dropped at `dropped`. before: what the clock said a moment before."""

    base: Manifest
    dump: Manifest
    before: datetime
    position: str
    project: Project


@pytest.fixture(scope="module")
async def past(house: House) -> AsyncIterator[Past]:
    project = await house.tidings.new_project()
    await project.publish("hello", ["alice"])
    async with house.tidings.database.system.acquire() as connection, connection.transaction():
        await set_flag(connection, DEPLOYMENT, "of-the-past", Definition(), actor="operator:test", reason=None)
    async with house.streaming():
        for setting in LEFT_BEHIND:
            await house.execute(f"ALTER SYSTEM SET {setting}")
        base = await house.base()
        await house.execute("ALTER SYSTEM RESET ALL")
        await house.execute("CREATE TABLE victim AS SELECT generate_series(1, 1000) AS number")
        position = (await house.fetchrow("SELECT pg_current_wal_insert_lsn()::text"))[0]
        before = (await house.fetchrow("SELECT clock_timestamp()"))[0]

        async def passed() -> bool:
            return bool((await house.fetchrow("SELECT clock_timestamp() - interval '1 second'"))[0] >= before)

        await until(passed, 10, "a second")
        await house.execute("DROP TABLE victim")
        await house.execute("SELECT pg_switch_wal()")
        await house.execute("CREATE TABLE newer AS SELECT 1")
        await house.covered()
    run = await house.run("logical")
    assert run.state == "done", run.reason
    yield Past(base, await house.manifest(run.id), before, position, project)
    await house.execute("DROP TABLE newer")


@pytest.mark.parametrize("by", ["time", pytest.param("position", marks=is_long)])
async def test_a_dropped_table_is_back_as_of_the_second_before(house: House, past: Past, by: str) -> None:
    chosen = ("--to", past.before.isoformat()) if by == "time" else ("--to-position", past.position)
    told = await as_json("backup", "restore", "--into", str(house.folder()), *chosen, **house.environment)
    async with opened(msgspec.convert(told, Restored, strict=False)) as postgres, connected(url_of(postgres)) as connection:
        assert await connection.fetchval("SELECT count(*) FROM victim") == 1000
        assert await connection.fetchval("SELECT to_regclass('newer')") is None


async def test_a_moment_after_the_last_commit_is_its_end_if_the_store_knows_that_nothing_followed(house: House, past: Past) -> None:
    covered = await (await house.archive()).covered()
    assert covered is not None
    async with opened(await house.restore(past.base, Moment(time=covered.at))) as postgres, connected(url_of(postgres)) as connection:
        assert await connection.fetchval("SELECT count(*) FROM newer") == 1
    with pytest.raises(Missing, match="goes up to"):
        await house.restore(past.base, Moment(time=covered.at + timedelta(minutes=1)))


async def test_a_restore_into_what_is_not_empty_changes_nothing(house: House, past: Past) -> None:
    target = house.folder()
    target.mkdir()
    (target / "mine").write_text("precious")
    with pytest.raises(Misconfigured, match="not empty"):
        await house.restore(past.base, into=target)
    assert [path.name for path in target.iterdir()] == ["mine"]
    with pytest.raises(Misconfigured, match="not empty"):
        await restore_into_database(house.settings, house.place, past.dump, house.tidings.servers.database_url, lambda *_: None)


async def test_one_missing_segment_is_named_and_what_lies_before_it_can_be_restored(house: House, past: Past) -> None:
    async with house.other_store() as other:
        archive = await other.archive()
        assert past.base.wal is not None
        gap = sorted(name for name in await archive.names() if name > past.base.wal.last and len(name) == 24)[0]
        await archive.forget([gap])
        with pytest.raises(WalBroken, match=gap):
            await other.restore(past.base)
        run = await other.run("verify", past.base.id)
        assert (run.state, run.failure) == ("failed", "wal")
        assert run.reason is not None and gap in run.reason
        tried = await other.manifest(past.base.id)
        assert tried.state == "made" and tried.checked_at is not None, "no fault of its own"


@is_long
async def test_a_recovery_that_ends_before_what_was_streamed_is_told(house: House, past: Past) -> None:
    """Its last record is one that cannot be read: here, since it is of zeros."""
    async with house.other_store() as other:
        archive = await other.archive()
        covered = await archive.covered()
        assert covered is not None
        number = position_of(covered.position) // archive.segment_bytes
        for more in (1, 2, 3):
            await archive.put(named(covered.timeline, number + more, archive.segment_bytes), b"")
        await archive.cover(Covered(covered.timeline, text_of((number + 3) * archive.segment_bytes), covered.at))
        with pytest.raises(WalBroken, match="Recovery ended at"):
            await other.restore(past.base)


async def test_one_flipped_byte_is_found_and_nothing_is_left_in_the_folder(house: House, past: Past) -> None:
    async with house.other_store() as other:
        part = sorted((other.store / "backups" / past.base.id / "base").iterdir())[0]
        flip(part)
        target = other.folder()
        with pytest.raises(Damaged, match="base/000001"):
            await other.restore(past.base, into=target)
        assert not target.exists(), "the same command can be given again"
        run = await other.run("verify", past.base.id)
        assert (run.state, run.failure) == ("failed", "damaged")
        assert part.exists()


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


async def test_a_flipped_byte_of_the_wal_is_found(house: House, past: Past) -> None:
    async with house.other_store() as other:
        archive = await other.archive()
        assert past.base.wal is not None
        flip(other.store / archive.path(past.base.wal.last))
        with pytest.raises(WalBroken, match=past.base.wal.last):
            await other.restore(past.base)


async def test_another_key_is_told_from_damage(house: House, past: Past) -> None:
    other = msgspec.structs.replace(house.settings, backup_keys=(bytes(32),))
    foreign = House(house.tidings, other, house.tmp)
    with pytest.raises(WrongKey, match="TIDINGS_BACKUP_KEYS"):
        await read_manifest(foreign.place.store, foreign.place.keys, past.base.id)
    with pytest.raises(WrongKey):
        await foreign.restore(past.base)


@pytest.fixture
def small_disk(house: House) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("a small disk is a mount, and mounts are root's")
    disk = house.folder()
    disk.mkdir(mode=0o711)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16M,mode=0711", "tmpfs", str(disk)], capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"this container may not mount a small disk: {mounted.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=False)
    shutil.rmtree(disk, ignore_errors=True)


async def test_a_disk_without_room_is_told_before_it_is_filled(house: House, past: Past, small_disk: Path) -> None:
    with pytest.raises(DiskFull, match="MiB free"):
        await house.restore(past.base, into=small_disk)
    with pytest.raises(DiskFull, match="MiB free"):
        # Its indexes are not in a dump.
        await house.restore(of_plain_size(past.dump, 8 * MIB), into=small_disk)
    assert list(small_disk.iterdir()) == []


async def test_a_full_disk_ends_unpacking_by_name(house: House, past: Past, small_disk: Path) -> None:
    """Somebody else fills it meanwhile."""
    async with house.other_store() as other:
        shutil.rmtree(other.store / "wal")
        with pytest.raises(DiskFull, match=r"No space left|no room"):
            await other.restore(of_plain_size(past.base, 1), into=small_disk)
    assert shutil.disk_usage(small_disk).used < MIB


def of_plain_size(manifest: Manifest, size: int) -> Manifest:
    """As if it were of so many bytes."""
    return msgspec.structs.replace(manifest, artefacts=tuple(msgspec.structs.replace(one, plain_size=size) for one in manifest.artefacts))


@pytest.fixture
async def empty_database(house: House) -> AsyncIterator[str]:
    name = f"empty_{uuid4().hex[:8]}"
    await house.execute(f"CREATE DATABASE {name}")
    yield house.tidings.servers.database_url.rsplit("/", 1)[0] + f"/{name}"
    await house.execute(f"DROP DATABASE {name} WITH (FORCE)")


async def test_a_dump_goes_into_an_empty_database_of_the_same_cluster_with_new_epochs(
    house: House, past: Past, empty_database: str
) -> None:
    async with house.other_store() as other:
        await other.place.store.put("journal/epoch/00/1", b"what somebody wrote there")
        with pytest.raises(BackupFailed, match=r"was loaded, and not made ready.*tidings backup settle --yes"):
            await restore_into_database(other.settings, other.place, past.dump, empty_database, lambda *_: None)
    await make_ready(house.settings, house.place, empty_database, lambda *_: None)
    async with connected(empty_database) as connection:
        epochs = dict(await connection.fetch("SELECT shard, epoch FROM shards"))
    assert not {head.epoch for head in past.dump.content.heads.values()} & set(epochs.values())
    assert (await rows_of(empty_database))["projects"] == past.dump.content.rows["projects"]


async def test_a_dump_of_the_schema_before_is_restored_and_migrated(house: House, past: Past, empty_database: str) -> None:
    old = empty_database + "_before"
    await house.execute(f"CREATE DATABASE {old.rsplit('/', 1)[1]}")
    try:
        await migrate_all_but_the_newest(old)
        # Into a store of its own: retention keeps one of an hour.
        before = msgspec.structs.replace(house.settings, database_url=old, backup_url=f"file://{house.folder()}")
        past_version = House(house.tidings, before, house.tmp)
        run = await past_version.run("logical")
        assert run.state == "done", run.reason
        dump = await past_version.manifest(run.id)
        restored = await restore_into_database(house.settings, past_version.place, dump, empty_database, lambda *_: None)
        assert len(restored.ready.migrated) == 1
    finally:
        await house.execute(f"DROP DATABASE {old.rsplit('/', 1)[1]} WITH (FORCE)")


async def migrate_all_but_the_newest(url: str) -> None:
    async with migrating.login(url) as connection:
        for _ in range(len(list(Path(migrations.__file__).parent.glob("tidings_*.py"))) - 1):
            await migrating.run_next(connection)
        await migrating.make_shards(connection, 2, new_epoch)
        await connection.execute(migrating.LET_BACKUP_READ)


async def test_a_backup_of_a_later_version_is_left_to_that_version(house: House, past: Past, empty_database: str) -> None:
    later = msgspec.structs.replace(past.dump, origin=msgspec.structs.replace(past.dump.origin, migration="2999-01-01T00:00:00:000000"))
    with pytest.raises(Misconfigured, match="later version"):
        await restore_into_database(house.settings, house.place, later, empty_database, lambda *_: None)


async def test_a_dump_that_breaks_off_leaves_the_database_empty(house: House, past: Past, empty_database: str) -> None:
    async with house.other_store() as other:
        parts = sorted((other.store / "backups" / past.dump.id / "dump").iterdir())
        flip(parts[-1])
        with pytest.raises(BackupFailed):
            await load(other.settings, other.place, past.dump, empty_database, lambda _: None)
    connection = await asyncpg.connect(empty_database)
    assert await connection.fetchval("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace") == 0
    await connection.close()


@pytest.mark.parametrize("kind", [pytest.param("base", marks=is_long), "dump"])
async def test_a_good_backup_is_proven_by_restoring_it_and_serving_an_inbox(house: House, past: Past, kind: str) -> None:
    backup = past.base if kind == "base" else past.dump
    state = house.folder()
    state.mkdir(mode=0o711)
    shutil.copy2(house.settings.state_dir / RING_FILE, state)
    run = await House(house.tidings, msgspec.structs.replace(house.settings, state_dir=state), house.tmp).run("verify", backup.id)
    assert run.state == "done", run.reason
    assert not list(state.glob("*.json")), "its flags are not the living deployment's"
    assert run.result is not None and re.fullmatch(r"an inbox with [1-9]\d* items", run.result["served"])
    proven = await house.manifest(backup.id)
    assert proven.state == "verified" and proven.verified_at is not None


async def test_a_backup_that_lost_rows_is_called_bad(house: House, past: Past) -> None:
    """Its figures are of more than it holds."""
    async with house.other_store() as other:
        rows = past.dump.content.rows | {"projects": past.dump.content.rows["projects"] + 1}
        lying = msgspec.structs.replace(past.dump, content=msgspec.structs.replace(past.dump.content, rows=rows))
        await write_manifest(other.place.store, other.place.keys, lying)
        run = await other.run("verify", past.dump.id)
        assert (run.state, run.failure) == ("failed", "damaged")
        assert run.reason is not None and "projects" in run.reason
