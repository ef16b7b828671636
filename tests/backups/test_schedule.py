"""When a backup is due; what was missed is done once."""

from datetime import UTC, datetime, timedelta

import pytest

from backups.ground import Backups, Ground
from tidings.backups.runs import ask, claim, list_runs, put_back, renew
from tidings.backups.schedule import ask_for_due, keep_schedule, next_time
from tidings.errors import Misconfigured
from tidings.settings import Settings, load_settings

NOW = datetime(2026, 11, 28, 12, 30, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HOURLY = Settings(backup_schedule=(("logical", HOUR, timedelta(0)),))


def test_intervals_count_from_midnight_and_days_from_their_time() -> None:
    assert next_time(HOUR, timedelta(0), NOW) == datetime(2026, 11, 28, 13, tzinfo=UTC)
    assert next_time(6 * HOUR, timedelta(0), NOW) == datetime(2026, 11, 28, 18, tzinfo=UTC)
    assert next_time(DAY, 2 * HOUR, NOW) == datetime(2026, 11, 29, 2, tzinfo=UTC)
    assert next_time(DAY, 13 * HOUR, NOW) == datetime(2026, 11, 28, 13, tzinfo=UTC)
    assert next_time(7 * DAY, timedelta(0), NOW) == datetime(2026, 11, 30, tzinfo=UTC)
    assert next_time(HOUR, timedelta(0), datetime(2026, 11, 28, 13, tzinfo=UTC)) == datetime(2026, 11, 28, 14, tzinfo=UTC)


async def test_the_first_is_due_at_once_and_a_week_of_missed_ones_is_one(ground: Ground, database_url: str) -> None:
    async with ground.database.system.acquire() as connection:
        await keep_schedule(connection, HOURLY, NOW)
        assert [run.task for run in await ask_for_due(connection, NOW)] == ["logical"]
        assert await ask_for_due(connection, NOW + timedelta(minutes=29)) == []
        assert await claim(connection, "worker", NOW) is not None
        await connection.execute("UPDATE backup_runs SET state = 'done'")

        later = NOW + timedelta(days=7)
        await keep_schedule(connection, HOURLY, later)
        assert len(await ask_for_due(connection, later)) == 1
        assert await ask_for_due(connection, later + timedelta(minutes=29)) == []
        assert len(await list_runs(connection, 10)) == 2


async def test_what_still_waits_is_not_asked_for_a_second_time(ground: Ground, database_url: str) -> None:
    async with ground.database.system.acquire() as connection:
        first = await ask(connection, "logical", "schedule", NOW, after=timedelta(minutes=10))
        second = await ask(connection, "logical", "cli", NOW)
        assert (second.id, second.asked_at) == (first.id, NOW)
        assert (await ask(connection, "verify", "cli", NOW, "one")).id != (await ask(connection, "verify", "cli", NOW, "two")).id


async def test_a_shorter_interval_counts_at_once_and_what_is_no_longer_wanted_is_forgotten(ground: Ground, database_url: str) -> None:
    daily = Settings(backup_schedule=(("logical", DAY, timedelta(0)), ("verify", DAY, timedelta(0))))
    async with ground.database.system.acquire() as connection:
        await keep_schedule(connection, daily, NOW)
        await ask_for_due(connection, NOW)
        await keep_schedule(connection, HOURLY, NOW)
        rows = await connection.fetch("SELECT task, next_at FROM backup_schedule")
        assert [tuple(row) for row in rows] == [("logical", datetime(2026, 11, 28, 13, tzinfo=UTC))]


async def test_what_makes_a_backup_goes_before_what_proves_one(in_folder: Backups, ground: Ground) -> None:
    async with ground.database.system.acquire() as connection:
        for task in ("drill", "verify", "logical"):
            await ask(connection, task, "schedule", NOW)
        run = await claim(connection, "worker", NOW)
        assert run is not None and run.task == "logical"
        assert await claim(connection, "another", NOW) is None, "one at a time over all workers"


async def test_one_that_was_put_back_is_the_one_that_is_asked_for_next(ground: Ground, database_url: str) -> None:
    async with ground.database.system.acquire() as connection:
        await ask(connection, "logical", "schedule", NOW)
        run = await claim(connection, "worker", NOW)
        assert run is not None
        run.backup = run.id
        assert await renew(connection, run, NOW)
        await put_back(connection, run)
        assert (await ask(connection, "logical", "cli", NOW)).id == run.id


@pytest.mark.parametrize("wrong", ["logical", "logical=0h", "logical=1w", "dump=1h", "logical=1h logical=2h", "logical=1d@25:00"])
def test_a_schedule_that_cannot_be_read_is_refused(wrong: str) -> None:
    with pytest.raises(Misconfigured, match="TIDINGS_BACKUP_SCHEDULE"):
        load_settings({"TIDINGS_BACKUP_SCHEDULE": wrong})


def test_a_schedule_is_read_as_it_is_written() -> None:
    settings = load_settings({"TIDINGS_BACKUP_SCHEDULE": "logical=6h, verify=1d@04:30"})
    assert settings.backup_schedule == (("logical", 6 * HOUR, timedelta(0)), ("verify", DAY, timedelta(hours=4, minutes=30)))
