"""How many events wait: what is estimated from a few, and what a process knows between two questions."""

import random

from hypothesis import given
from hypothesis import strategies as st

from tidings.events.backlog import LOOKED_AT, WAITING, Backlog, estimate
from tidings.events.cursor import new_epoch
from tidings.platform.postgres import Database

FILL = """
INSERT INTO outbox (shard, project, type, data, actor)
SELECT CASE WHEN number % $3 = 0 THEN $1 ELSE $1 + 1 END, 1, 'test.happened', '1', 'test' FROM generate_series(1, $2::int) AS number
"""


async def test_a_few_are_counted_and_many_are_estimated_from_their_ids(database: Database) -> None:
    shard = max(await database.system.fetchval("SELECT max(shard) + 1 FROM shards"), 400)
    for number in (shard, shard + 1):
        await database.system.execute("INSERT INTO shards (shard, epoch) VALUES ($1, $2)", number, new_epoch())

    async def waiting() -> int:
        rows = {row[0]: row[4:] for row in await database.system.fetch(WAITING)}
        return estimate(*rows[shard])

    assert await waiting() == 0
    await database.system.execute(FILL, shard, 500, 1)
    assert await waiting() == 500
    await database.system.execute("DELETE FROM outbox WHERE shard = $1", shard)
    # Two of three events are another shard's.
    await database.system.execute(FILL, shard, 30_000, 3)
    assert 9_900 <= await waiting() <= 10_100
    await database.system.execute("DELETE FROM outbox WHERE shard IN ($1, $1 + 1)", shard)


@given(st.integers(0, LOOKED_AT - 1), st.integers(1, 10**9))
def test_what_was_counted_to_the_end_is_no_estimate(count: int, newest: int) -> None:
    assert estimate(count, 1 if count else None, count or None, newest) == count


def test_between_two_questions_a_process_counts_itself() -> None:
    backlog = Backlog(100)
    backlog.let_in += 30
    assert backlog.at(100) == 30
    assert backlog.at(110) == 20
    backlog.told(0, 110, backlog.let_in)  # they may have been under way while PostgreSQL was asked
    assert backlog.at(110) == 30
    backlog.told(20, 110, backlog.let_in)
    assert backlog.at(110) == 20
    assert backlog.at(1000) == 0


@given(st.integers(0, 2**32))
def test_no_fewer_wait_than_it_says_and_when_it_is_quiet_as_many(seed: int) -> None:
    """Publishes are committed some time after they were let in, before the next question but one."""
    chance = random.Random(seed)
    backlog, committed, position, under_way = Backlog(0), 0, 0, [0]
    for _ in range(100):
        events = chance.randrange(50)
        backlog.let_in += events
        under_way[-1] += events
        if chance.random() < 0.3:
            committed += sum(under_way[:-1])
            backlog.told(committed - position, position, backlog.let_in)
            under_way = [under_way[-1], 0]
        position += chance.randint(0, committed - position)
        assert backlog.at(position) >= committed - position + sum(under_way)
    committed += sum(under_way)
    for _ in range(2):
        backlog.told(committed - position, position, backlog.let_in)
    assert backlog.at(position) == committed - position
