"""The drill: what a loss would cost, measured without harm."""

from backups.house import House
from tidings.backups.figures import observe_backups
from tidings.platform.metrics import DRILL_ENDED, DRILL_RPO, DRILL_RTO


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
