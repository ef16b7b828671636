"""The WAL on its way out of a store: what a restore takes of it, and what it misses. No cluster is opened here."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from backups.test_retention import made
from tidings.backups import recovery as module
from tidings.backups.archive import Archive, Covered
from tidings.backups.cluster import RecoveryEnded
from tidings.backups.drafts import Place
from tidings.backups.errors import Missing
from tidings.backups.manifest import Artefact, Manifest
from tidings.backups.recovery import THE_END, Moment, Recovery, refuse_unless_replayed
from tidings.backups.segments import named, text_of
from tidings.backups.store import open_store
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
    base = made(NOW - NOW, kind="physical", wal=BEGIN)
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

    async def unpacked(*_: object) -> None:
        await becomes_whole(archive)

    monkeypatch.setattr(module, "unpack", unpacked)
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
    with pytest.raises(Missing, match=GROWING):
        await recovery.row(THE_END)
    before = Moment(time=NOW)
    with pytest.raises(Missing, match=GROWING):
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
    with pytest.raises(Missing, match="Recovery ended at"):
        refuse_unless_replayed(text_of(4 * SIZE - 1), covered, SIZE)


async def becomes_whole(archive: Archive) -> None:
    """As the streamer does it."""
    await archive.put(GROWING, b"growing")
    await archive.forget([GROWING + ".partial"])
