"""The short ways of publishing write what the general one writes, and know when they must not be taken."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidings.access.idempotency import Answer
from tidings.access.principals import KeyHolder, SubscriberSession, Tenant
from tidings.events.wake import Waker
from tidings.notifications import topical
from tidings.notifications.draft import Draft, draft_of
from tidings.notifications.publish import Publish, PublishDoor
from tidings.notifications.routes import answer_batch
from tidings.notifications.structs import NewNotification
from tidings.platform.postgres import Database, tenant_connection, tenant_transaction
from tidings.recipients.members import change_members
from tidings.recipients.structs import MembersChange
from tidings.recipients.subscribers import delete_subscriber

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
WANTED = st.fixed_dictionaries(
    {"title": TEXT.filter(bool)},
    optional={
        "body": TEXT,
        "url": st.sampled_from(["/exports/17", "https://example.org/ä?q=1#x"]),
        "data": st.dictionaries(TEXT, st.one_of(st.none(), st.integers(), TEXT, st.lists(st.booleans()))),
        "category": st.sampled_from(["exports", "a.b:c-d"]),
        "priority": st.sampled_from(["low", "normal", "critical"]),
        "channels": st.sampled_from([["in_app"], ["in_app", "email"], ["sms", "in_app"]]),
        "expires_at": st.integers(60, 10**6).map(lambda s: datetime.now(UTC) + timedelta(seconds=s)),
    },
)

NOTIFICATION = """
SELECT title, body, url, data::text, category, collapse_key, priority, channels, audience::text, recipients, recipient_ids, transient,
    expires_at, created_by, withdrawn_at
FROM notifications WHERE id = $1::uuid
"""
ITEM = """
SELECT subscriber, category, collapse_key, expires_at, seen_at, read_at, archived_at, apart FROM inbox
WHERE id = $1::uuid ORDER BY subscriber
"""
EVENT = """
SELECT position, shard, project, type, recipients, topics, everyone, data::text, internal::text, actor
FROM events WHERE notification = $1::uuid
"""


@pytest.fixture
def door(database: Database, waker: Waker) -> PublishDoor:
    return PublishDoor(database, waker, lambda shard: 0, 10_000)


def requests_of(tenant: Tenant, drafts: Sequence[Draft]) -> list[Publish]:
    """Two requests, so that they are gathered, of two keys."""
    half = len(drafts) // 2
    parts = [("key:a", drafts[:half]), ("key:b", drafts[half:])]
    return [Publish(tenant, actor, part, None, answer_batch, 0.0) for actor, part in parts if part]


async def published(
    commit: Callable[[list[Publish]], Awaitable[Any]], tenant: Tenant, drafts: Sequence[Draft], recipients: int = 1
) -> list[str]:
    requests = requests_of(tenant, drafts)
    answers = await commit(requests)
    results: list[Any] = []
    for request in requests:
        answer = answers[request]
        assert isinstance(answer, Answer), answer
        results += msgspec.json.decode(answer.body)["results"]
    assert all(set(result) == {"id", "recipients"} and result["recipients"] == recipients for result in results)
    return [result["id"] for result in results]


async def topic_of(database: Database, tenant: Tenant, members: Sequence[str]) -> str:
    key = f"topic-{uuid4()}"
    async with tenant_transaction(database, tenant.id) as connection:
        holder = KeyHolder(tenant, "key_test", frozenset("*"))
        await change_members(connection, holder, key, MembersChange(add=list(members)))
    return key


async def written(database: Database, tenant: Tenant, ids: Sequence[str]) -> list[Any]:
    """The rows of each, without what differs: ids, positions and the time of publishing; and that positions rise as the drafts did."""
    async with tenant_connection(database, tenant.id) as connection:
        rows, positions = [], []
        for identity in ids:
            async with asyncio.timeout(10):
                while not (events := await connection.fetch(EVENT, identity)):
                    await asyncio.sleep(0.01)
            [(position, *event)] = events
            event[6] = {k: v for k, v in msgspec.json.decode(event[6]).items() if k not in ("id", "created_at")}
            event[7] = {"apart": []} | msgspec.json.decode(event[7])
            positions.append(position)
            notification = tuple(await connection.fetchrow(NOTIFICATION, identity))
            rows.append((notification, [tuple(row) for row in await connection.fetch(ITEM, identity)], event))
    assert positions == sorted(positions)
    return rows


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(wanted=st.lists(WANTED, min_size=1, max_size=6))
async def test_the_short_way_writes_what_the_general_one_writes(
    wanted: list[dict[str, Any]], database: Database, project: Tenant, door: PublishDoor, alice: SubscriberSession, new_alice: Any
) -> None:
    people = [alice.external_id, (await new_alice()).external_id]
    now = datetime.now(UTC)
    drafts = [draft_of(msgspec.convert(one | {"to": [people[index % 2]]}, NewNotification), now) for index, one in enumerate(wanted)]
    assert all(draft.is_lone for draft in drafts)
    short = await published(door.commit_lone, project, drafts)
    general = await published(door.commit, project, drafts)
    assert short == sorted(short)
    assert await written(database, project, short) == await written(database, project, general)


async def test_an_item_that_a_watermark_has_passed_stands_apart_by_the_short_way_too(
    database: Database, project: Tenant, door: PublishDoor, alice: SubscriberSession
) -> None:
    async with tenant_transaction(database, project.id) as connection:
        await connection.execute(
            "INSERT INTO inbox_states (subscriber, project, seen_up_to) VALUES ($1, $2, 'ffffffff-ffff-7fff-bfff-ffffffffffff')",
            alice.subscriber,
            project.id,
        )
    drafts = [draft_of(NewNotification(to=[alice.external_id], title="late"), datetime.now(UTC))]
    short = await written(database, project, await published(door.commit_lone, project, drafts))
    assert short == await written(database, project, await published(door.commit, project, drafts))
    [(_, [item], event)] = short
    assert item[-1] is True
    assert event[7]["apart"] == [alice.subscriber]


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(wanted=st.lists(WANTED, min_size=1, max_size=6))
async def test_the_short_way_to_a_topic_writes_what_the_general_one_writes(
    wanted: list[dict[str, Any]], database: Database, project: Tenant, door: PublishDoor, alice: SubscriberSession, new_alice: Any
) -> None:
    people = [alice, await new_alice()]
    topics = [await topic_of(database, project, [one.external_id for one in people]) for _ in range(2)]
    async with tenant_transaction(database, project.id) as connection:
        await connection.execute(
            "INSERT INTO inbox_states (subscriber, project, seen_up_to) VALUES ($1, $2, 'ffffffff-ffff-7fff-bfff-ffffffffffff')",
            people[1].subscriber,
            project.id,
        )
    now = datetime.now(UTC)
    drafts = [
        draft_of(msgspec.convert(one | {"to": [{"topic": topics[index % 2]}]}, NewNotification), now) for index, one in enumerate(wanted)
    ]
    assert all(draft.is_topical for draft in drafts)
    short = await published(door.commit_topical, project, drafts, recipients=2)
    general = await published(door.commit, project, drafts, recipients=2)
    assert short == sorted(short)
    rows = await written(database, project, short)
    assert rows == await written(database, project, general)
    assert all(event[7]["apart"] == [people[1].subscriber] for _, _, event in rows)


async def test_a_topic_without_members_concerns_nobody_by_the_short_way_too(database: Database, project: Tenant, door: PublishDoor) -> None:
    topic = await topic_of(database, project, [])
    drafts = [draft_of(msgspec.convert({"to": [{"topic": topic}], "title": "hello?"}, NewNotification), datetime.now(UTC))]
    short = await written(database, project, await published(door.commit_topical, project, drafts, recipients=0))
    assert short == await written(database, project, await published(door.commit, project, drafts, recipients=0))


async def test_an_unknown_topic_and_a_large_one_are_left_to_the_general_way(
    database: Database, project: Tenant, door: PublishDoor, alice: SubscriberSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topical, "MAX_RECIPIENTS", 0)
    now = datetime.now(UTC)
    names = [await topic_of(database, project, [alice.external_id]), f"unknown-{uuid4()}"]
    drafts = [draft_of(msgspec.convert({"to": [{"topic": name}], "title": "x"}, NewNotification), now) for name in names]
    async with tenant_connection(database, project.id) as connection:
        for some in ([drafts[0]], [drafts[1]], drafts):
            assert await topical.write_topical(connection, project, some, ["key:a"] * len(some), [None] * len(some), now) is None
        count = await connection.fetchval("SELECT count(*) FROM inbox WHERE subscriber = $1", alice.subscriber)
    assert count == 0
    [request] = requests_of(project, drafts[:1])
    assert isinstance((await door.commit_topical([request]))[request], Answer)


async def test_whoever_is_named_after_a_deletion_is_someone_new(
    database: Database, project: Tenant, publish: Any, door: PublishDoor
) -> None:
    name = f"bob-{uuid4()}"

    async def send() -> Any:
        draft = draft_of(NewNotification(to=[name], title="for whom?"), datetime.now(UTC))
        async with tenant_connection(database, project.id) as connection:
            [identity] = await published(door.commit_lone, project, [draft])
            return await connection.fetchval("SELECT recipient_ids[1] FROM notifications WHERE id = $1::uuid", identity)

    first, again = await send(), await send()
    async with tenant_transaction(database, project.id) as connection:
        await delete_subscriber(connection, KeyHolder(project, "key_test", frozenset("*")), name)
    assert first == again
    assert door.people.projects[project.id].ids[name] == first, "it must have been remembered, or this tests nothing"
    someone_new = await send()
    assert someone_new != first
    assert await send() == someone_new


async def test_what_is_more_than_one_item_in_one_inbox_goes_the_general_way() -> None:
    now = datetime.now(UTC)
    usual = {"to": ["alice"], "title": "hello"}
    others: list[dict[str, Any]] = [
        {"to": ["alice", "bob"]},
        {"to": [{"topic": "news"}]},
        {"to": [{"everyone": True}]},
        {"to": ["alice", {"topic": "news"}]},
        {"transient": True},
        {"channels": ["email"]},
        {"collapse_key": "progress"},
    ]
    assert draft_of(msgspec.convert(usual, NewNotification), now).is_lone
    assert draft_of(msgspec.convert(usual | {"to": ["alice", "alice"]}, NewNotification), now).is_lone
    for other in others:
        draft = draft_of(msgspec.convert(usual | other, NewNotification), now)
        assert not draft.is_lone, other
        assert draft.is_topical == (other == {"to": [{"topic": "news"}]}), other
    assert not draft_of(msgspec.convert(usual | {"to": [{"topic": "news"}], "collapse_key": "x"}, NewNotification), now).is_topical
