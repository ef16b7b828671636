"""Large audiences: the members as of the event's position, in chunks, once each, whatever is killed in between."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidings.access.principals import KeyHolder, SubscriberSession, Tenant
from tidings.events.cursor import Cursor
from tidings.events.log import heads
from tidings.notifications import audience, fanout, marks, topical
from tidings.notifications.fanout import advance_one
from tidings.notifications.inbox import read_page
from tidings.notifications.rebuild import rebuild_inbox
from tidings.notifications.timeline import detail_of
from tidings.platform.postgres import Database, tenant_connection, tenant_transaction
from tidings.recipients.members import change_members
from tidings.recipients.structs import MembersChange
from tidings.recipients.subscribers import delete_subscriber

Rows = Callable[[SubscriberSession], Awaitable[list[tuple[Any, ...]]]]


@pytest.fixture(autouse=True)
def small_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three people are a large audience here, and two a chunk."""
    for module in (audience, topical):
        monkeypatch.setattr(module, "MAX_RECIPIENTS", 3)
    monkeypatch.setattr(fanout, "CHUNK", 2)
    monkeypatch.setattr(marks, "STEP", 2)


@pytest.fixture
async def people(new_alice: Any) -> list[SubscriberSession]:
    return [await new_alice() for _ in range(7)]


@pytest.fixture
def change(database: Database, project: Tenant) -> Any:
    holder = KeyHolder(project, "key_test", frozenset("*"))

    async def change(topic: str, add: Sequence[SubscriberSession] = (), remove: Sequence[SubscriberSession] = ()) -> None:
        wanted = MembersChange(add=[one.external_id for one in add], remove=[one.external_id for one in remove])
        async with tenant_transaction(database, project.id) as connection:
            await change_members(connection, holder, topic, wanted)

    return change


async def sequenced(database: Database, notification: str) -> None:
    async with asyncio.timeout(10):
        while await database.system.fetchval("SELECT position FROM fanouts WHERE notification = $1::uuid", notification) is None:
            await asyncio.sleep(0.01)


async def step(database: Database) -> bool:
    async with database.system.acquire() as connection, connection.transaction():
        return await advance_one(connection) is not None


async def step_and_die(database: Database) -> None:
    async with database.system.acquire() as connection, connection.transaction():
        await advance_one(connection)
        raise RuntimeError("killed before the commit")


async def finish(database: Database) -> None:
    while await step(database):
        pass


async def holders(people: list[SubscriberSession], notification: str, inbox_rows: Rows) -> list[int]:
    return [n for n, one in enumerate(people) if any(row[0] == notification for row in await inbox_rows(one))]


async def test_members_are_those_as_of_the_position(
    database: Database, people: list[SubscriberSession], change: Any, publish: Any, inbox_rows: Rows
) -> None:
    await change("as-of", add=people[:5])
    big = await publish([{"topic": "as-of"}])
    await change("as-of", add=people[5:], remove=people[:2])
    await sequenced(database, big)
    await finish(database)
    assert await holders(people, big, inbox_rows) == [0, 1, 2, 3, 4]

    later = await publish([{"topic": "as-of"}])
    await sequenced(database, later)
    await finish(database)
    assert await holders(people, later, inbox_rows) == [2, 3, 4, 5, 6]


async def test_people_in_several_of_the_audiences_get_it_once(
    database: Database, project: Tenant, people: list[SubscriberSession], change: Any, publish: Any, inbox_rows: Rows
) -> None:
    await change("first", add=people[:4])
    await change("second", add=people[2:6])
    await change("second", remove=people[2:3])
    await change("second", add=people[2:3])
    big = await publish([{"topic": "first"}, {"topic": "second"}, people[0].external_id, people[6].external_id])
    await sequenced(database, big)
    await finish(database)
    assert await holders(people, big, inbox_rows) == list(range(7))
    async with tenant_connection(database, project.id) as connection:
        assert {one.step: one.count for one in (await detail_of(connection, project.id, big)).timeline}["fanned_out"] == 7


async def test_a_chunk_that_was_rolled_back_is_done_again_and_nobody_gets_it_twice(
    database: Database, project: Tenant, people: list[SubscriberSession], change: Any, publish: Any, inbox_rows: Rows
) -> None:
    await change("rolled-back", add=people)
    big = await publish([{"topic": "rolled-back"}])
    await sequenced(database, big)
    await step(database)
    with pytest.raises(RuntimeError, match="killed"):
        await step_and_die(database)
    async with tenant_connection(database, project.id) as connection:
        under_way = {one.step: one for one in (await detail_of(connection, project.id, big)).timeline}
    assert (under_way["fanned_out"].count, under_way["fanned_out"].expected, under_way["fanned_out"].at) == (2, 7, None)

    await finish(database)

    assert await holders(people, big, inbox_rows) == list(range(7))
    async with tenant_connection(database, project.id) as connection:
        done = {one.step: one for one in (await detail_of(connection, project.id, big)).timeline}
    assert done["fanned_out"].count == 7
    assert done["fanned_out"].at is not None


async def test_the_cursor_of_a_snapshot_does_not_pass_an_audience_still_being_written(
    database: Database, project: Tenant, people: list[SubscriberSession], change: Any, publish: Any
) -> None:
    await change("cursor", add=people)
    big = await publish([{"topic": "cursor"}])
    await sequenced(database, big)
    async with database.system.acquire() as connection:
        head = (await heads(connection))[project.shard].position
        position = await connection.fetchval("SELECT position FROM fanouts WHERE notification = $1::uuid", big)

    async def cursor() -> str:
        async with tenant_connection(database, project.id) as connection:
            return (await read_page(connection, project.id, people[6].subscriber, "all", None, None, 10, Cursor("aaaaaaaa", head))).cursor

    assert await cursor() == f"aaaaaaaa.{position - 1}"
    await finish(database)
    assert await cursor() == f"aaaaaaaa.{head}"


async def test_a_retracted_large_notification_leaves_every_inbox(
    database: Database, people: list[SubscriberSession], change: Any, publish: Any, retract: Any, inbox_rows: Rows
) -> None:
    await change("retracted", add=people)
    big = await publish([{"topic": "retracted"}])
    await sequenced(database, big)
    await step(database)
    await retract(big)
    async with asyncio.timeout(10):
        while await database.system.fetchval("SELECT count(*) FROM fanouts WHERE notification = $1::uuid AND done_at IS NULL", big):
            await finish(database)
            await asyncio.sleep(0.01)
    assert await holders(people, big, inbox_rows) == []


async def test_an_item_that_arrives_under_a_watermark_is_not_born_read_and_a_rebuild_agrees(
    database: Database, project: Tenant, people: list[SubscriberSession], change: Any, publish: Any, mark_items: Any, inbox_rows: Rows
) -> None:
    await change("late", add=people)
    big = await publish([{"topic": "late"}])
    await sequenced(database, big)
    late = people[6]  # of the last chunk
    ids = [await publish([late.external_id]) for _ in range(4)]
    await mark_items(late, "read", up_to=ids[-1])
    await finish(database)
    rows = {row[0]: row for row in await inbox_rows(late)}
    assert rows[big][2] is None
    assert all(rows[one][2] is not None for one in ids)
    before = [await inbox_rows(one) for one in people]

    await rebuild_inbox(database.system, project.shard, lambda done, all_of_them: None)

    assert [await inbox_rows(one) for one in people] == before


async def test_rows_that_are_there_already_are_left_alone(
    database: Database, people: list[SubscriberSession], change: Any, publish: Any, inbox_rows: Rows
) -> None:
    await change("again", add=people)
    big = await publish([{"topic": "again"}])
    await sequenced(database, big)
    await finish(database)
    await database.system.execute("UPDATE fanouts SET cursor = 0, written = 0, done_at = NULL WHERE notification = $1::uuid", big)
    await database.system.execute("DELETE FROM inbox WHERE id = $1::uuid AND subscriber = $2", big, people[3].subscriber)

    await finish(database)

    assert await holders(people, big, inbox_rows) == list(range(7))
    assert await database.system.fetchval("SELECT written FROM fanouts WHERE notification = $1::uuid", big) == 1


WHO = st.integers(0, 6)
TOPICS = st.sampled_from(["north", "south"])
HISTORY = st.one_of(
    st.tuples(st.just("join"), TOPICS, st.sets(WHO, min_size=1)),
    st.tuples(st.just("leave"), TOPICS, st.sets(WHO, min_size=1)),
    st.tuples(st.just("delete"), st.none(), st.sets(WHO, min_size=1, max_size=1)),
    st.tuples(st.just("publish"), st.sets(TOPICS), st.sets(WHO)),
    st.tuples(st.just("publish to everyone"), st.sets(TOPICS), st.sets(WHO)),
    st.tuples(st.just("write a chunk"), st.none(), st.none()),
)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(history=st.lists(HISTORY, min_size=3, max_size=15))
async def test_every_audience_agrees_with_a_plain_model(
    history: list[tuple[str, Any, Any]], database: Database, project: Tenant, new_alice: Any, change: Any, publish: Any, inbox_rows: Rows
) -> None:
    """Chunks are written at any time between joining, leaving and deletions, and all the same everyone gets what was for them, once."""
    people = [await new_alice() for _ in range(7)]
    topics = {key: f"{key}-{uuid4()}" for key in ("north", "south")}
    members: dict[str, set[int]] = {"north": set(), "south": set()}
    for key in topics:
        await change(topics[key], add=people)
        members[key] = set(range(7))
    holder, alive, expected = KeyHolder(project, "key_test", frozenset("*")), set(range(7)), {}
    for what, where, who in history:
        if what in ("join", "leave"):
            chosen = who & alive
            await change(topics[where], **{"add" if what == "join" else "remove": [people[n] for n in sorted(chosen)]})
            members[where] = members[where] | chosen if what == "join" else members[where] - chosen
        elif what == "delete" and who <= alive:
            async with tenant_transaction(database, project.id) as connection:
                await delete_subscriber(connection, holder, people[min(who)].external_id)
            alive -= who
            members = {key: names - who for key, names in members.items()}
        elif what.startswith("publish"):
            to: list[Any] = [people[n].external_id for n in sorted(who & alive)] + [{"topic": topics[key]} for key in sorted(where)]
            to += [{"everyone": True}] if what == "publish to everyone" else []
            if to:
                everyone = alive if what == "publish to everyone" else set()
                expected[await publish(to)] = (who & alive).union(everyone, *(members[key] for key in where))
        elif what == "write a chunk":
            await step(database)
    for notification in expected:
        await sequenced_if_large(database, notification)
    await finish(database)

    for notification, audience_then in expected.items():
        assert await holders(people, notification, inbox_rows) == sorted(audience_then & alive)


async def sequenced_if_large(database: Database, notification: str) -> None:
    if await database.system.fetchval("SELECT EXISTS (SELECT FROM fanouts WHERE notification = $1::uuid)", notification):
        await sequenced(database, notification)
