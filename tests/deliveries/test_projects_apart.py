"""What is read of the ledger names its project by itself: asked by a role that sees all of them, another's deliveries are not there."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from own_database import SHARDS

from deliveries.conftest import Deliveries
from tidings.access.principals import KeyHolder
from tidings.access.projects import create_project
from tidings.deliveries.destinations.rows import condition
from tidings.deliveries.explain.outside import ATTEMPTS, DELIVERIES, EVENT
from tidings.deliveries.ledger.listing import NO_ID, Wanted, conditions_of, list_deliveries, page_sql
from tidings.deliveries.ledger.replays import Range, advance_one, begin_replay
from tidings.platform.ids import uuid7

LAST_ID = type(NO_ID)(int=(1 << 128) - 1)


@pytest.fixture
async def all_seeing(api: Deliveries) -> AsyncIterator[Any]:
    async with api.database.system.acquire() as connection, connection.transaction():
        yield connection


async def test_a_notifications_deliveries(api: Deliveries, all_seeing: Any) -> None:
    endpoint, notification = (await api.endpoint())["id"], uuid7()
    delivery = await api.deliver(endpoint, "dead", notification=notification)
    await api.database.system.execute(
        """INSERT INTO attempts (delivery, number, project, destination, worker)
        SELECT id, 1, project, destination, 'w' FROM deliveries WHERE id = $1::uuid""",
        delivery,
    )
    other, _ = await create_project(api.database, "other", SHARDS)
    for tenant, count in ((api.tenant, 1), (other, 0)):
        wanted = Wanted(notification=notification)
        assert len((await list_deliveries(all_seeing, tenant.id, wanted, None, 25)).items) == count
        assert len(await all_seeing.fetch(DELIVERIES, tenant.id, notification, EVENT, 1)) == count
        assert len(await all_seeing.fetch(ATTEMPTS, tenant.id, delivery, 20)) == count


@pytest.mark.parametrize("state", ["dead", "delivered", None])
async def test_a_destinations_deliveries(api: Deliveries, all_seeing: Any, state: Any) -> None:
    endpoint = (await api.endpoint())["id"]
    await api.deliver(endpoint, "dead", reason="http_500")
    await api.deliver(endpoint, "delivered")
    destination = (await api.lane(endpoint))["destination"]
    other, _ = await create_project(api.database, "other", SHARDS)
    for tenant, count in ((api.tenant, 1 if state else 2), (other, 0)):
        asked = conditions_of(tenant.id, Wanted(state=state), destination, None)
        found = await all_seeing.fetch(page_sql(asked, (NO_ID, LAST_ID), 100, 26), *asked.values)
        assert len([row for row in found if row["fits"]]) == count


async def test_how_a_destination_does(api: Deliveries, all_seeing: Any) -> None:
    endpoint = (await api.endpoint())["id"]
    for state in ("pending", "held"):
        await api.deliver(endpoint, state, reason="http_500")
    destination = await api.lane(endpoint)
    other, _ = await create_project(api.database, "other", SHARDS)
    for tenant, count in ((api.tenant, 1), (other, 0)):
        told = await condition(all_seeing, tenant, {"id": destination["destination"]})
        assert (told["waiting"].pending, told["waiting"].held) == (count, count)
        assert (told["last_failure"] is not None) == bool(count)


@pytest.mark.parametrize("state", ["dead", "delivered"])
async def test_a_replay(api: Deliveries, all_seeing: Any, state: str) -> None:
    endpoint = (await api.endpoint())["id"]
    delivery = await api.deliver(endpoint, state)
    destination = (await api.lane(endpoint))["destination"]
    other, _ = await create_project(api.database, "other", SHARDS)
    for tenant, count, left in ((other, 0, state), (api.tenant, 1, "pending")):
        holder = KeyHolder(tenant, "key_test", frozenset("*"))
        key = await begin_replay(all_seeing, holder, destination, endpoint, Range(None, None, [state]))
        while await advance_one(all_seeing, datetime.now(UTC) + timedelta(seconds=10)):
            pass
        replay = await all_seeing.fetchrow("SELECT total, queued FROM replays WHERE key = $1", key)
        assert (replay["total"], replay["queued"]) == (count, count)
        assert await all_seeing.fetchval("SELECT state FROM deliveries WHERE id = $1::uuid", delivery) == left
