"""The drill: what a loss would cost, measured without harm."""

import asyncio

import asyncpg
import pytest
from running import until

from backups.ground import Backups, Ground
from backups.house import House
from tidings.backups import drill
from tidings.backups.archive import Archive
from tidings.backups.figures import observe_backups
from tidings.platform.ending import end_tasks
from tidings.platform.metrics import DRILL_ENDED, DRILL_RPO, DRILL_RTO


async def test_a_drill_that_ends_in_the_middle_is_in_no_backup_s_way(
    ground: Ground, in_folder: Backups, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed, it leaves its table, which a backup may read; told to stop, not even that."""
    monkeypatch.setattr(drill, "BEFORE_S", 600)
    connection, looking = await asyncpg.connect(ground.url), await asyncpg.connect(ground.url)
    drilling = asyncio.create_task(drill.drop_a_table(connection, Archive(in_folder.place, "1", 16 * 1024 * 1024)))

    async def is_there() -> bool:
        return await looking.fetchval("SELECT to_regclass('tidings_drill')") is not None

    await until(is_there, 20, "the table is made")
    assert await looking.fetchval("SELECT has_table_privilege('tidings_backup', 'tidings_drill', 'SELECT')")
    await end_tasks([drilling])
    assert not await is_there()
    for each in (connection, looking):
        await each.close()


async def test_a_drill_brings_a_dropped_table_back_and_leaves_nothing_behind(house: House) -> None:
    async with house.streaming():
        await house.base()
        await house.covered()
        run = await house.run("drill")
    assert run.state == "done", run.reason
    assert run.result is not None and run.result["drill"] == "point_in_time"
    assert (await house.fetchrow("SELECT to_regclass('tidings_drill')"))[0] is None
    assert not list((house.settings.state_dir / "scratch").glob("*"))
    async with house.tidings.database.system.acquire() as connection:
        await observe_backups(connection)
    for gauge, key in ((DRILL_RPO, "rpo_s"), (DRILL_RTO, "rto_s")):
        assert gauge.labels("point_in_time")._value.get() == run.result[key] > 0
    assert DRILL_ENDED.labels("point_in_time")._value.get() > 0
