"""Two sequencers: one leads, the other takes over when it is killed or stopped; a stopped one that goes on can write nothing."""

import asyncio
import time
from typing import Any

from faults.deployment import Deployment, Part
from faults.history import summary
from faults.listener import until
from faults.load import Load

TAKEN_OVER_WITHIN_S = 3.0
# The suite's machine has other things to do.
SLACK_S = 1.5

HOLDERS = "SELECT shard, term, split_part(holder, ':', 2)::int AS pid, lease_until >= clock_timestamp() AS holds FROM shards ORDER BY shard"
# Positions of a shard are 1, 2, 3, … up to its head: nothing missing, nothing twice.
NOT_DENSE = """
SELECT s.shard, s.head, count(e.position), count(DISTINCT e.position), min(e.position), max(e.position)
FROM shards s LEFT JOIN events e USING (shard) GROUP BY s.shard, s.head
HAVING count(e.position) <> s.head OR count(DISTINCT e.position) <> s.head OR coalesce(max(e.position), 0) <> s.head
"""
# Between an event's commit and its position: what a publisher's readers waited for.
LONGEST_WAIT = "SELECT max(extract(epoch FROM created_at - accepted_at))::float FROM events WHERE accepted_at > $1"


async def leaders(connection: Any) -> set[int]:
    """The processes that lead a shard."""
    return {row["pid"] for row in await connection.fetch(HOLDERS) if row["holds"]}


async def one_leads_all(connection: Any, parts: list[Part], within: float) -> Part:
    """Wait until one of these holds every shard's lease. Answers which."""
    end = time.monotonic() + within
    while True:
        rows = await connection.fetch(HOLDERS)
        for part in parts:
            if all(row["holds"] and row["pid"] == part.pid for row in rows):
                return part
        assert time.monotonic() < end, [dict(row) for row in rows]
        await asyncio.sleep(0.02)


async def gather_leases(deployment: Deployment, connection: Any) -> tuple[Part, Part]:
    """Leader of all shards, and the one that waits: the second is started again so that the first has everything."""
    first, second = deployment.sequencers
    await second.kill()
    await one_leads_all(connection, [first], 10)
    await second.start()
    await until(lambda: any("Starting" in line for line in second.lines()[-1:]), 10, "the second's start")
    return first, second


async def check(load: Load, connection: Any, seed: int) -> None:
    await load.stop_publishing()
    await load.caught_up(10)
    faults = load.history.faults()
    assert not faults, (seed, summary(faults), faults[:10])
    assert (load.history.repeats, load.surprises) == (0, [])
    assert await connection.fetch(NOT_DENSE) == []


async def test_the_other_takes_over_when_the_leader_is_killed(deployment: Deployment, api_key: str, seed: int) -> None:
    connection = await deployment.connect()
    leader, other = await gather_leases(deployment, connection)
    async with Load(deployment.bases, api_key, seed=seed, listeners=8, publishers=20, rate=100) as load:
        load.publish()
        for _ in range(2):
            await until(lambda: load.history.received > 0, 5, "deliveries")
            began = await connection.fetchval("SELECT clock_timestamp()")
            await leader.kill()
            await one_leads_all(connection, [other], TAKEN_OVER_WITHIN_S + SLACK_S)
            await load_moves(load)
            assert await connection.fetchval(LONGEST_WAIT, began) < TAKEN_OVER_WITHIN_S + SLACK_S
            await leader.start()
            leader, other = other, leader
            await until(lambda part=other: "Starting" in part.lines()[-1], 10, "the other's start")  # type: ignore[misc]
            await ready_to_lead(other)
        await check(load, connection, seed)
    await connection.close()


async def test_a_stopped_leader_is_replaced_and_writes_nothing_when_it_goes_on(deployment: Deployment, api_key: str, seed: int) -> None:
    connection = await deployment.connect()
    leader, other = await gather_leases(deployment, connection)
    async with Load(deployment.bases, api_key, seed=seed, listeners=8, publishers=20, rate=150) as load:
        load.publish()
        for _ in range(3):
            await load_moves(load)
            terms = {row["shard"]: row["term"] for row in await connection.fetch(HOLDERS)}
            began = await connection.fetchval("SELECT clock_timestamp()")
            leader.pause()
            try:
                await one_leads_all(connection, [other], TAKEN_OVER_WITHIN_S + SLACK_S)
                await load_moves(load)
                assert await connection.fetchval(LONGEST_WAIT, began) < TAKEN_OVER_WITHIN_S + SLACK_S
            finally:
                lines = len(leader.lines())
                leader.go_on()
            # It wakes in the middle of whatever it did, and finds that its term has passed.
            enough = lines + len(terms)
            await until(lambda part=leader, enough=enough: len(part.lines()) >= enough, 10, "what it finds")  # type: ignore[misc]
            await load_moves(load)
            assert await leaders(connection) == {other.pid}
            assert all(row["term"] == terms[row["shard"]] + 1 for row in await connection.fetch(HOLDERS))
            assert await connection.fetch(NOT_DENSE) == []
            assert leader.is_running
            leader, other = other, leader
        await check(load, connection, seed)
    await connection.close()


async def test_a_leader_that_is_told_to_stop_hands_over_at_once(deployment: Deployment, api_key: str, seed: int) -> None:
    connection = await deployment.connect()
    leader, other = await gather_leases(deployment, connection)
    await ready_to_lead(other)
    async with Load(deployment.bases, api_key, seed=seed, listeners=4, publishers=10, rate=50) as load:
        load.publish()
        await load_moves(load)
        assert await leader.terminate(within=10) < 5
        await one_leads_all(connection, [other], 2)
        await check(load, connection, seed)
    await connection.close()


async def load_moves(load: Load) -> None:
    """Deliveries go on."""
    before = load.history.received
    await until(lambda: load.history.received > before + 50, 10, "deliveries")


async def ready_to_lead(part: Part) -> None:
    """It has said that it starts; its connections follow within what an idle competitor waits."""
    await asyncio.sleep(1)
    assert part.is_running
