"""Base backups and the WAL after them: what is in the store, and what a loss of the server leaves."""

import asyncio
import shutil
from datetime import UTC, datetime

import msgspec
import psutil  # type: ignore[import-untyped]
import pytest
from prometheus_client import REGISTRY
from running import until

from backups.ground import is_gone
from backups.house import House, at, connected, opened, url_of
from tidings.backups.archive import Covered
from tidings.backups.errors import BackupFailed
from tidings.backups.journal import read_journal
from tidings.backups.manifest import manifests
from tidings.backups.segments import missing, named, number_of, position_of, segment_at, text_of
from tidings.backups.slot import NAME
from tidings.backups.streaming import Lag, session, stream_wal
from tidings.backups.wal_pruning import prune_wal
from tidings.platform.embedded.memory import free_port
from tidings.platform.ending import end_tasks
from tidings.platform.metrics import BACKUP_WAL_LAG

SIZE = 16 * 1024 * 1024


def test_positions_and_segments_go_both_ways() -> None:
    assert text_of(position_of("A/30000028")) == "A/30000028"
    assert segment_at(2, position_of("1/FF000000"), SIZE) == "0000000200000001000000FF"
    assert number_of("0000000200000001000000FF", SIZE) + 1 == number_of("000000020000000200000000", SIZE)


def test_a_gap_is_named_and_another_timeline_closes_none() -> None:
    there = (
        [named(1, number, SIZE) for number in (3, 4, 6)] + [named(2, number, SIZE) for number in (6, 7)] + [named(2, 8, SIZE) + ".partial"]
    )
    assert missing(there, named(1, 3, SIZE), SIZE) == [named(1, 5, SIZE)]
    assert missing(there, named(1, 6, SIZE), SIZE) == []
    assert missing(there, named(1, 9, SIZE), SIZE) == []
    assert missing(there, named(1, 6, SIZE), SIZE, 9) == [named(2, 9, SIZE)]


async def test_what_was_streamed_until_the_server_was_killed_is_restored(house: House) -> None:
    """Nothing is asked of the dead server: the store is all there is."""
    async with house.streaming():
        base = await house.base()
        await house.execute("CREATE TABLE IF NOT EXISTS marks (at timestamptz)")
        for _ in range(20):
            await house.execute("INSERT INTO marks SELECT clock_timestamp() FROM generate_series(1, 1000)")
        # One segment closes, so that there are whole ones and one that grows.
        await house.execute("SELECT pg_switch_wal()")
        await house.execute("INSERT INTO marks VALUES (clock_timestamp())")
        marked: datetime = (await house.fetchrow("SELECT max(at) FROM marks"))[0]
        await house.covered()
        await house.tidings.postgres.kill()
    try:
        restored = await house.restore(base)
        async with opened(restored) as postgres, connected(url_of(postgres)) as connection:
            assert await connection.fetchval("SELECT max(at) FROM marks") == marked
            assert await connection.fetchval("SELECT count(*) FROM marks") == 20_001
    finally:
        await house.tidings.mend()


async def test_a_spool_that_is_lost_makes_no_gap(house: House) -> None:
    """The server keeps what the store has not got, whatever a worker had received."""
    async with house.streaming():
        await house.covered()
    before = (await (await house.archive()).covered()).position  # type: ignore[union-attr]
    await house.execute("CREATE TABLE IF NOT EXISTS marks (at timestamptz)")
    for _ in range(3):
        await house.execute("INSERT INTO marks VALUES (clock_timestamp())")
        await house.execute("SELECT pg_switch_wal()")
    shutil.rmtree(house.settings.state_dir / "wal")
    async with house.streaming():
        after = await house.covered()
    names = await (await house.archive()).names()
    assert missing(names, segment_at(after.timeline, at(before), SIZE), SIZE) == []


async def test_wal_that_the_server_gave_up_begins_anew_and_asks_for_a_base_backup(house: House) -> None:
    async with house.streaming():
        await house.covered()
    await house.execute(f"SELECT pg_drop_replication_slot('{NAME}')")
    house.wants_base.clear()
    async with house.streaming():
        await house.covered()
    assert house.wants_base == [True]


async def test_a_base_backup_is_asked_for_though_the_slot_is_there_as_long_as_the_store_does_not_reach_it(house: House) -> None:
    """Whoever made the slot was killed before they had asked; or the store is another one."""
    other = house.new_store()
    async with house.streaming():
        covered = await house.covered()

    async def asked() -> bool:
        told: list[bool] = []

        async def on_new() -> None:
            told.append(True)

        async with session(other.settings, other.place, on_new, Lag(), set()):
            return bool(told)

    assert await asked()
    await (await other.archive()).cover(covered)
    assert not await asked()


async def test_of_two_workers_one_streams_and_the_other_takes_over(house: House) -> None:
    async with house.streaming():
        await house.covered()
        async with house.streaming():
            await asyncio.sleep(0)
            assert (await house.fetchrow("SELECT count(*) FROM pg_stat_replication"))[0] == 1


async def test_a_copy_does_not_stream_into_the_store_of_the_living_cluster(house: House) -> None:
    """They have the same identifier, and a later restore would follow the newer timeline: the copy's."""
    copy = house.new_store()
    await (await copy.archive()).cover(Covered(99, "0/3000028", datetime.now(UTC)))

    with pytest.raises(BackupFailed, match="Another cluster streams into this store"):
        async with session(copy.settings, copy.place, never, Lag(), set()):
            pass


async def test_the_lag_grows_from_the_start_where_nothing_can_be_streamed(house: House) -> None:
    """An alert rests on it. A worker that leaves it to another says nothing, until it is its own turn."""
    away = f"postgresql://nobody@127.0.0.1:{free_port()}/tidings"

    async def grows() -> bool:
        return bool(REGISTRY.get_sample_value("tidings_backup_wal_lag_seconds"))

    BACKUP_WAL_LAG.set_function(lambda: 0.0)
    task = asyncio.create_task(stream_wal(msgspec.structs.replace(house.settings, backup_database_url=away), house.place, never))
    await until(grows, 20, "the lag is told")
    await end_tasks([task])

    lag = Lag()
    lag.leave_to_another()
    assert not await grows()
    lag.take()
    await until(grows, 20, "the lag is told")


async def never() -> None:
    raise AssertionError("no base backup is wanted")


async def test_the_slot_is_bounded(house: House) -> None:
    """Else a worker that is away would fill the disk of the server."""
    assert (await house.fetchrow("SHOW max_slot_wal_keep_size"))[0] == "4GB"

    async def knows_its_room() -> bool:
        row = await house.fetchrow(f"SELECT safe_wal_size > 0 FROM pg_replication_slots WHERE slot_name = '{NAME}'")
        return row is not None and bool(row[0])

    async with house.streaming():
        await until(knows_its_room, 20, "the slot has a bound")


async def test_wal_that_no_base_backup_needs_is_deleted(house: House) -> None:
    async with house.other_store() as other, other.streaming():
        await other.execute("SELECT pg_switch_wal()")
        await other.covered()
        archive = await other.archive()
        before = await archive.names()
        base = await other.base()
        await other.covered()
        assert base.wal is not None and any(name < base.wal.first for name in before)
        needed = {name for name in await archive.names() if name >= base.wal.first}
        await prune_wal(other.place, [base], other.settings.backup_retention, base.made_at)
        assert await archive.names() == needed


async def test_the_worker_makes_what_is_due_streams_and_keeps_the_journal(house: House) -> None:
    """All three in one process, within seconds; and nothing goes on without it when it is killed."""
    other = house.new_store()
    project = await house.tidings.new_project()
    key = await project.call("POST", "/v1/keys", {"name": "revoked", "scopes": ["*"]})
    await project.call("DELETE", f"/v1/keys/{key['key']}")
    worker = await house.tidings.another_worker("backups", **other.environment, TIDINGS_BACKUP_SCHEDULE="physical=1d")

    async def is_told() -> bool:
        entries = [entry async for some in read_journal(other.place) for entry in some]
        return any(entry.key == key["key"] for entry in entries)

    async def is_made() -> bool:
        return bool([one async for one in manifests(other.place.store, other.place.keys)])

    try:
        await until(is_told, 30, "the journal has it")
        await other.covered()
        await until(is_made, 30, "a base backup is made")
        [receiver] = [child for child in psutil.Process(worker.pid).children() if child.name() == "pg_receivewal"]
        await worker.kill()
        await until(lambda: is_gone(receiver), 10, "pg_receivewal ended with its worker")
        # What it may have been at would be its own for the rest of its lease.
        await house.execute("DELETE FROM backup_runs WHERE ended_at IS NULL")
    finally:
        await house.tidings.mend()
