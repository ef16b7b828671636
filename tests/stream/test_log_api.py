"""GET /v1/events: the ordered log for consumers that keep their own cursor."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest
from stream_ground import Ground
from stream_house import House, open_house

from tidings.access.principals import Tenant
from tidings.stream.protocol import StreamingProtocol


class Consumer:
    """A server of the product, with an API key."""

    def __init__(self, house: House, key: str) -> None:
        self.house = house
        self.key = key

    async def read(self, **params: Any) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.key}"}
        query = {name: str(value) for name, value in params.items()}
        async with self.house.http.get(f"{self.house.url}/v1/events", headers=headers, params=query) as response:
            return response.status, await response.json()


@pytest.fixture
async def consumer(ground: Ground, stack: AsyncExitStack) -> Consumer:
    tenant, key = await ground.project()
    return Consumer(await stack.enter_async_context(open_house(ground.database, ground.settings, tenant, StreamingProtocol)), key)


async def test_a_consumer_reads_its_project_in_order_page_by_page(consumer: Consumer, ground: Ground) -> None:
    house = consumer.house
    foreign, _ = await ground.project()
    for number in range(7):
        await house.publish(str(number), "alice", "bob")
        await house._replace(tenant=Tenant(foreign.id, foreign.key, house.tenant.shard)).append("custom.foreign", {})
    await house.settled()

    events: list[Any] = []
    after = "0"
    while True:
        status, page = await consumer.read(after=after, limit=3)
        assert status == 200
        events += page["events"]
        if after == page["next"]:
            break
        after = page["next"]

    published = [event for event in events if event["type"] == "notification.created"]
    assert [event["data"]["title"] for event in published] == [str(number) for number in range(7)]
    assert {event["recipients"] for event in published} == {2}
    assert "custom.foreign" not in {event["type"] for event in events}
    assert after == str(house.edge.position(house.tenant.shard))


async def test_a_consumer_waits_for_what_comes(consumer: Consumer) -> None:
    house = consumer.house
    await house.settled()
    here = house.edge.position(house.tenant.shard)
    shard = house.edge.shard(house.tenant.shard)
    reading = asyncio.create_task(consumer.read(after=here, wait=30))
    await house.until(lambda: shard.waiting)

    await house.publish("hello", "alice")

    _, page = await reading
    assert [event["data"]["title"] for event in page["events"]] == ["hello"]


async def test_another_epoch_is_gone_and_the_problem_says_reset(consumer: Consumer) -> None:
    status, problem = await consumer.read(after="zzzzzzzz.3")

    assert status == 410
    assert problem["type"].endswith("reset")
    assert problem["cursor"] == str(consumer.house.edge.position(consumer.house.tenant.shard))


@pytest.mark.parametrize("after", ["yesterday", "", "zzzzzzzz.", "-1"])
async def test_a_bad_cursor_is_refused(consumer: Consumer, after: str) -> None:
    status, problem = await consumer.read(after=after)

    assert (status, problem.get("field") in ("after", "cursor")) == (400, True)


async def test_a_revoked_key_ends_its_waiting_request(consumer: Consumer) -> None:
    house = consumer.house
    await house.settled()
    shard = house.edge.shard(house.tenant.shard)
    reading = asyncio.create_task(consumer.read(after=house.edge.position(shard.number), wait=60))
    await house.until(lambda: shard.waiting)
    key = await house.database.system.fetchval("SELECT key FROM api_keys WHERE project = $1", house.tenant.id)

    await house.append("key.revoked", {"key": key})

    assert (await reading)[0] == 401
