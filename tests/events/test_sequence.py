"""The outbox becomes the log: dense positions, commit order per publisher, one leader a term."""

import asyncio
import random
from typing import Any

import asyncpg
import pytest

from tidings.events.cursor import new_epoch
from tidings.events.entry import NewEvent
from tidings.events.lease import renew_lease, take_lease
from tidings.events.log import read_after
from tidings.events.outbox import append
from tidings.events.sequence import sequence
from tidings.platform.postgres import POSTGRES_AWAY, Database

PROJECT = 2**30


@pytest.fixture
async def shard(database: Database) -> int:
    """A shard that no sequencer of the suite knows."""
    number: int = await database.system.fetchval("SELECT max(shard) + 1 FROM shards")
    number = max(number, 100)
    await database.system.execute("INSERT INTO shards (shard, epoch) VALUES ($1, $2)", number, new_epoch())
    return number


async def worker(database_url: str) -> Any:
    settings = {"role": "tidings_worker", "application_name": "tidings sequencer"}
    return await asyncpg.connect(database_url, server_settings=settings)


def event(shard: int, text: str) -> NewEvent:
    return NewEvent(project=PROJECT, shard=shard, type="test.happened", data=f'"{text}"', actor="test")


async def test_every_committed_event_gets_one_position_though_transactions_commit_out_of_order(
    database: Database, database_url: str, shard: int
) -> None:
    sequencer = await worker(database_url)
    lease = await take_lease(sequencer, shard, "one", 30)
    assert lease is not None

    async def publisher(name: int) -> None:
        for turn in range(15):
            async with database.system.acquire() as connection, connection.transaction():
                await append(connection, [event(shard, f"{name}:{turn}")])
                await asyncio.sleep(random.random() * 0.01)  # holds its outbox id while others commit

    publishers = asyncio.gather(*(publisher(name) for name in range(8)))
    moved: list[str] = []
    while not publishers.done() or len(moved) < 120:
        moved += [one.data for one in await sequence(sequencer, shard, lease.term, 7)]
        await asyncio.sleep(0)

    async with database.system.acquire() as connection:
        log = await read_after(connection, shard, 0, 1000)
    assert [one.position for one in log] == list(range(1, 121))
    assert [one.data for one in log] == moved
    for name in range(8):
        assert [one.data for one in log if one.data.startswith(f'"{name}:')] == [f'"{name}:{turn}"' for turn in range(15)]
    await sequencer.close()


async def test_a_leader_whose_term_has_passed_moves_nothing(database: Database, database_url: str, shard: int) -> None:
    old, new = await worker(database_url), await worker(database_url)
    first = await take_lease(old, shard, "old", 0.0)
    second = await take_lease(new, shard, "new", 30)
    assert first is not None
    assert second is not None
    assert second.term == first.term + 1
    async with database.system.acquire() as connection:
        await append(connection, [event(shard, "once")])

    assert await sequence(old, shard, first.term, 10) == []
    assert not await renew_lease(old, first, 30)
    assert [one.data for one in await sequence(new, shard, second.term, 10)] == ['"once"']
    await asyncio.gather(old.close(), new.close())


async def test_a_lease_that_is_held_cannot_be_taken(database_url: str, shard: int) -> None:
    holder, other = await worker(database_url), await worker(database_url)
    assert await take_lease(holder, shard, "holder", 30) is not None
    assert await take_lease(other, shard, "other", 30) is None
    await asyncio.gather(holder.close(), other.close())


async def test_a_successor_ends_the_backend_that_holds_the_lease_row(database_url: str, shard: int) -> None:
    """As a leader does that was stopped in the middle of reading an answer larger than the socket's buffers."""
    stopped, successor = await worker(database_url), await worker(database_url)
    assert await take_lease(stopped, shard, "stopped", 0.0) is not None
    hanging = stopped.transaction()
    await hanging.start()
    await stopped.execute("SELECT FROM shards WHERE shard = $1 FOR UPDATE", shard)

    lease = None
    while lease is None:
        lease = await take_lease(successor, shard, "successor", 30)
    assert lease.term == 2
    with pytest.raises(POSTGRES_AWAY):
        await stopped.execute("SELECT 1")
    await successor.close()


async def test_a_new_cluster_or_timeline_gets_a_new_epoch(database: Database, database_url: str, shard: int) -> None:
    connection = await worker(database_url)
    first = await take_lease(connection, shard, "one", 0.0)
    assert first is not None
    await database.system.execute("UPDATE shards SET timeline = timeline + 1 WHERE shard = $1", shard)
    second = await take_lease(connection, shard, "one", 30)
    assert second is not None
    assert second.epoch != first.epoch
    await connection.close()
