"""The WAL on its way out of a store: what a restore takes of it, and what it misses. No cluster is opened here."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from backups.test_retention import made
from tidings.backups import recovery as module
from tidings.backups.archive import Archive, Covered
from tidings.backups.cluster import RecoveryEnded
from tidings.backups.drafts import Place
from tidings.backups.errors import BackupFailed, Damaged, DiskFull, WalBroken
from tidings.backups.journal import read_journal
from tidings.backups.manifest import Artefact, Manifest, write_manifest
from tidings.backups.recovery import THE_END, Moment, Recovery, refuse_unless_replayed
from tidings.backups.segments import named, text_of
from tidings.backups.store import open_store
from tidings.cli.backup_restore import chosen
from tidings.vault.ring import Ring

SIZE = 1024 * 1024
NOW = datetime(2026, 11, 28, 12, 30, tzinfo=UTC)
BEGIN, GROWING = named(1, 3, SIZE), named(1, 4, SIZE)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """Of the server that `base` is of."""
    return Archive(Place(open_store(f"file://{tmp_path}/store"), Ring([bytes(32)]), tmp_path), "1", SIZE)


@pytest.fixture
def base() -> Manifest:
    """That needs one segment."""
    base = made(timedelta(0), kind="physical", wal=BEGIN)
    assert base.wal is not None
    return msgspec.structs.replace(
        base, artefacts=(Artefact("base", 0, "", ()),), wal=msgspec.structs.replace(base.wal, segment_bytes=SIZE)
    )


@pytest.fixture
def recovery(archive: Archive, base: Manifest, tmp_path: Path) -> Recovery:
    return Recovery(archive.place, base, tmp_path, tmp_path, lambda *_: None)


async def test_a_segment_that_becomes_whole_while_the_base_is_unpacked_is_taken_whole(
    archive: Archive, recovery: Recovery, monkeypatch: pytest.MonkeyPatch
) -> None:
    await archive.put(BEGIN, b"the first")
    await archive.put(GROWING + ".partial", b"grow")

    async def takes_its_time(*_: object) -> None:
        await becomes_whole(archive)

    monkeypatch.setattr(module, "unpack", takes_its_time)
    row = await recovery.fetch(THE_END)
    assert row.names == [BEGIN, GROWING]
    assert (recovery.folder / "wal" / GROWING).read_bytes().rstrip(b"\0") == b"growing"


async def test_a_segment_that_becomes_whole_after_it_was_listed_is_not_called_missing(archive: Archive, recovery: Recovery) -> None:
    await archive.put(BEGIN, b"the first")
    await archive.put(GROWING + ".partial", b"grow")
    row = await recovery.row(THE_END)
    await becomes_whole(archive)
    await recovery.fetch_wal(row)
    assert (recovery.folder / "wal" / GROWING).read_bytes().rstrip(b"\0") == b"growing"


async def test_the_newest_wal_lost_from_the_store_is_a_gap(archive: Archive, recovery: Recovery, base: Manifest) -> None:
    """Nothing there is later, which would show it; what was told of it does."""
    await archive.put(BEGIN, b"the first")
    await archive.put(GROWING + ".partial", b"grow")
    await archive.cover(Covered(1, text_of(5 * SIZE), NOW))
    assert (await recovery.row(THE_END)).gaps == []
    await archive.forget([GROWING + ".partial"])
    with pytest.raises(WalBroken, match=GROWING):
        await recovery.row(THE_END)
    before = Moment(time=NOW)
    with pytest.raises(WalBroken, match=GROWING):
        await recovery.refuse_unless_covered(before, await recovery.row(before), RecoveryEnded("It ended."))


async def test_what_is_told_of_another_timeline_is_no_gap(archive: Archive, recovery: Recovery) -> None:
    await archive.put(BEGIN, b"the first")
    await archive.put("00000002.history", b"1")
    await archive.cover(Covered(1, text_of(5 * SIZE), NOW))
    assert (await recovery.row(THE_END)).gaps == []
    assert (await archive.row(BEGIN, BEGIN, 1)).gaps == [GROWING]


def test_recovery_that_ends_early_is_told() -> None:
    covered = Covered(1, text_of(5 * SIZE), NOW)
    refuse_unless_replayed(text_of(4 * SIZE), covered, SIZE)
    with pytest.raises(WalBroken, match="Recovery ended at"):
        refuse_unless_replayed(text_of(4 * SIZE - 1), covered, SIZE)


async def test_the_wal_counts_among_what_a_disk_must_bear_and_for_its_own_end_a_backup_takes_no_more_than_its_own(
    archive: Archive, recovery: Recovery, base: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert base.wal is not None
    await archive.put(BEGIN, b"the first")
    await archive.put(GROWING, b"long after it")
    monkeypatch.setattr(module, "unpack", unpacked)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2 * SIZE - 1))
    with pytest.raises(DiskFull, match="Nothing was restored"):
        await recovery.fetch(THE_END)
    assert (await recovery.fetch(Moment(position=base.wal.end))).names == [BEGIN]


async def unpacked(*_: object) -> None: ...


@pytest.mark.parametrize("left", ["damaged", "gone"])
async def test_a_segment_that_is_wrong_is_no_fault_of_the_backup(archive: Archive, recovery: Recovery, left: str) -> None:
    await archive.put(BEGIN, b"the first")
    row = await recovery.row(THE_END)
    if left == "gone":
        await archive.forget([BEGIN])
    else:
        await archive.place.store.put(archive.path(BEGIN), b"what somebody wrote there")
    with pytest.raises(WalBroken, match=BEGIN):
        await recovery.fetch_wal(row)


async def test_a_journal_that_is_damaged_is_no_fault_of_a_backup(archive: Archive) -> None:
    await archive.place.store.put("journal/epoch/00/1", b"what somebody wrote there")
    with pytest.raises(BackupFailed, match="journal/epoch/00/1") as told:
        assert [entries async for entries in read_journal(archive.place)]
    assert not isinstance(told.value, Damaged)


async def test_what_failed_its_proof_is_restored_where_nothing_else_fits(archive: Archive, base: Manifest) -> None:
    place = archive.place
    failed = msgspec.structs.replace(base, id="failed", state="failed")
    await write_manifest(place.store, place.keys, failed)
    assert await chosen(place, None, THE_END, "/a/folder") == failed
    good = msgspec.structs.replace(base, id="good", made_at=failed.made_at - timedelta(days=1))
    await write_manifest(place.store, place.keys, good)
    assert await chosen(place, None, THE_END, "/a/folder") == good
    assert await chosen(place, None, Moment(time=failed.made_at - timedelta(hours=1)), "/a/folder") == good


async def becomes_whole(archive: Archive) -> None:
    """As the streamer does it."""
    await archive.put(GROWING, b"growing")
    await archive.forget([GROWING + ".partial"])
