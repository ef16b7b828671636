"""From which id on the outbox is looked at: never past a row that may still be committed, and not from the beginning for ever."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidings.events.cursor import new_epoch
from tidings.events.entry import NewEvent
from tidings.events.floor import Floor
from tidings.events.lease import take_lease
from tidings.events.outbox import append
from tidings.events.sequence import SESSION, sequence
from tidings.platform.postgres import Database


class Ground:
    """A shard led by the test, and connections that publish."""

    def __init__(self, database_url: str, leader: Any, shard: int, term: int) -> None:
        self.database_url = database_url
        self.leader = leader
        self.shard = shard
        self.term = term
        self.floor = Floor(shard)
        self.publishers: list[Any] = []

    async def publisher(self, number: int) -> Any:
        while len(self.publishers) <= number:
            self.publishers.append(await asyncpg.connect(self.database_url, server_settings={"role": "tidings_worker"}))
        return self.publishers[number]

    async def append(self, publisher: int, text: str) -> None:
        event = NewEvent(project=2**30, shard=self.shard, type="test.happened", data=f'"{text}"', actor="test")
        await append(await self.publisher(publisher), [event])

    async def move(self, limit: int = 3) -> list[str]:
        events = await sequence(self.leader, self.shard, self.term, limit, self.floor.id)
        return [event.data.strip('"') for event in events]


@pytest.fixture
async def ground(database: Database, database_url: str) -> AsyncIterator[Ground]:
    shard = max(await database.system.fetchval("SELECT max(shard) + 1 FROM shards"), 300)
    await database.system.execute("INSERT INTO shards (shard, epoch) VALUES ($1, $2)", shard, new_epoch())
    leader = await asyncpg.connect(database_url, server_settings=SESSION | {"role": "tidings_worker"})
    lease = await take_lease(leader, shard, "test", 3600)
    assert lease is not None
    ground = Ground(database_url, leader, shard, lease.term)
    yield ground
    for connection in (leader, *ground.publishers):
        await connection.close()


async def test_the_floor_rises_behind_what_was_taken(ground: Ground) -> None:
    await ground.append(0, "a")
    await ground.floor.rise(ground.leader)
    assert await ground.move() == ["a"]
    await ground.floor.rise(ground.leader)
    after_a = ground.floor.id
    assert after_a > 0
    await ground.append(0, "b")
    await ground.floor.rise(ground.leader)
    assert await ground.move() == ["b"]
    await ground.floor.rise(ground.leader)
    assert ground.floor.id > after_a


async def test_it_waits_for_a_transaction_that_has_drawn_an_id(ground: Ground) -> None:
    slow = await ground.publisher(0)
    transaction = slow.transaction()
    await transaction.start()
    await ground.append(0, "drawn early")
    for _ in range(3):
        await ground.append(1, "committed at once")
        await ground.move()
        await ground.floor.rise(ground.leader)
    assert ground.floor.id == 0
    await transaction.commit()
    assert await ground.move() == ["drawn early"]
    await ground.floor.rise(ground.leader)
    assert ground.floor.id > 0


async def test_a_transaction_has_its_id_before_it_draws_one_of_the_outbox(ground: Ground) -> None:
    """What the floor rests on. Another default, computed where the id is, sees what there is."""
    publisher = await ground.publisher(0)
    login = await asyncpg.connect(ground.database_url)
    await login.execute("""
        CREATE FUNCTION test_default() RETURNS text LANGUAGE plpgsql AS $$ BEGIN
            IF pg_current_xact_id_if_assigned() IS NULL THEN RAISE EXCEPTION 'no transaction id yet'; END IF;
            RETURN 'test';
        END $$;
        ALTER TABLE outbox ALTER actor SET DEFAULT test_default()
    """)
    insert = "INSERT INTO outbox (shard, project, type, data) SELECT $1, 1, 'test.happened', '\"a\"'"
    try:
        await publisher.execute(insert, ground.shard)
        await login.execute("ALTER TABLE outbox DISABLE TRIGGER outbox_begins")
        with pytest.raises(asyncpg.RaiseError, match="no transaction id yet"):
            await publisher.execute(insert, ground.shard)
    finally:
        await login.execute("""
            ALTER TABLE outbox ENABLE TRIGGER outbox_begins; ALTER TABLE outbox ALTER actor DROP DEFAULT; DROP FUNCTION test_default
        """)
        await login.close()
    assert await ground.move() == ["a"]


PUBLISHERS = 3
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["append", "commit", "abort"]), st.integers(0, PUBLISHERS - 1)),
        st.tuples(st.sampled_from(["rise", "rise", "move"]), st.just(0)),
    ),
    max_size=40,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
async def test_whatever_overlaps_all_that_was_committed_is_taken_once(ground: Ground, steps: list[tuple[str, int]]) -> None:
    open_: dict[int, tuple[Any, list[str]]] = {}
    ground.floor = Floor(ground.shard)
    committed: list[str] = []
    moved: list[str] = []

    async def end(publisher: int, commits: bool) -> None:
        transaction, texts = open_.pop(publisher)
        if commits:
            committed.extend(texts)
        await (transaction.commit() if commits else transaction.rollback())

    for number, (step, publisher) in enumerate(steps):
        if step == "append":
            if publisher not in open_:
                open_[publisher] = (await ground.publisher(publisher)).transaction(), []
                await open_[publisher][0].start()
            await ground.append(publisher, str(number))
            open_[publisher][1].append(str(number))
        elif step in ("commit", "abort") and publisher in open_:
            await end(publisher, step == "commit")
        elif step == "rise":
            await ground.floor.rise(ground.leader)
        elif step == "move":
            moved += await ground.move(2)
    for publisher in list(open_):
        await end(publisher, True)
    while taken := await ground.move(2):
        moved += taken
        await asyncio.sleep(0)
    assert sorted(moved) == sorted(committed)
