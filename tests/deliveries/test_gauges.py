"""What planners show of the whole ledger: no more and no less than what is there, at whichever moment it is asked for."""

from typing import Any

import pytest
from prometheus_client import Gauge

from deliveries.conftest import Deliveries
from deliveries.levels_ground import MINUTE, NOON, Levels, levels
from tidings.deliveries.levels.burning import observe_levels
from tidings.deliveries.levels.gauges import observe_ledger
from tidings.deliveries.sending.queue import open_queue
from tidings.platform.metrics import BUDGET_LEFT, BURN_RATE, HALTED, LEVELS_MISSED
from tidings.platform.redis import REDIS_AWAY
from workers.planner import Planner

__all__ = ["levels"]


def connectors(gauge: Gauge) -> set[str]:
    return {sample.labels["connector"] for family in gauge.collect() for sample in family.samples}


class Scraped:
    """A connection. shown: the connectors of the gauge that a scrape would find, at each answer of PostgreSQL's."""

    def __init__(self, connection: Any, gauge: Gauge) -> None:
        self.connection = connection
        self.gauge = gauge
        self.shown: list[set[str]] = []

    def __getattr__(self, name: str) -> Any:
        async def statement(*arguments: Any) -> Any:
            answer = await getattr(self.connection, name)(*arguments)
            self.shown.append(connectors(self.gauge))
            return answer

        return statement


async def test_budgets_and_misses_of_a_connector_of_which_nothing_is_left_are_shown_no_more(api: Deliveries, levels: Levels) -> None:
    system, gauges = api.database.system, (BUDGET_LEFT, BURN_RATE, LEVELS_MISSED)
    endpoint = (await api.endpoint())["id"]
    await levels.end(endpoint, [("delivered", NOON - MINUTE, 1.0)])
    await levels.check(NOON)
    async with levels.connection() as connection:
        await observe_levels(connection, NOON)
        for gauge in gauges:
            await observe_levels(scraped := Scraped(connection, gauge), NOON)
            assert ["webhook" in shown for shown in scraped.shown] == [True, True]
        await system.execute("DELETE FROM service_tallies")
        await system.execute("UPDATE destinations SET deleted_at = now()")
        await observe_levels(connection, NOON)
    assert ["webhook" in connectors(gauge) for gauge in gauges] == [False] * 3


async def test_a_halted_connector_is_shown_all_the_time_and_one_that_goes_on_no_more(api: Deliveries, levels: Levels) -> None:
    system = api.database.system
    async with levels.connection() as connection:
        await system.execute("INSERT INTO halts (connector) VALUES ('webhook')")
        await observe_ledger(connection, NOON)
        await observe_ledger(scraped := Scraped(connection, HALTED), NOON)
        await system.execute("DELETE FROM halts")
        await observe_ledger(connection, NOON)
    assert scraped.shown == [{"webhook"}] * len(scraped.shown)
    assert connectors(HALTED) == set()


async def test_the_ledger_is_counted_and_rested_from_while_redis_is_away(api: Deliveries) -> None:
    planner = Planner(api.database.system, open_queue("redis://127.0.0.1:1/0"))
    assert await planner.observe() is False
    with pytest.raises(REDIS_AWAY):
        await planner.observe_queue()
