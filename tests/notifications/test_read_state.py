"""Seen, read, unread, archived, clicked: whatever is done in whatever order, counts and lists agree, and a rebuild gives equal rows."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidings.access.principals import SubscriberSession, Tenant
from tidings.errors import NotFound
from tidings.events.cursor import Cursor
from tidings.notifications import marks
from tidings.notifications.counts import counts_of, fold
from tidings.notifications.inbox import read_page
from tidings.notifications.rebuild import rebuild_inbox
from tidings.notifications.structs import Counts
from tidings.platform.postgres import Database, tenant_connection

Rows = Callable[[SubscriberSession], Awaitable[list[tuple[Any, ...]]]]
HERE = Cursor("aaaaaaaa", 1)


class Item(msgspec.Struct):
    """What the inbox should say of an item."""

    id: str
    seen: bool = False
    read: bool = False
    archived: bool = False

    def take(self, action: str) -> None:
        if action == "seen":
            self.seen = True
        elif action == "read":
            self.seen = self.read = True
        elif action == "unread":
            self.seen, self.read = self.seen or self.read, False
        elif action != "clicked":
            self.archived = action == "archived"


ACTIONS = st.sampled_from(["seen", "read", "unread", "archived", "unarchived"])
STEPS = st.one_of(
    st.tuples(st.just("publish"), st.just(0)),
    st.tuples(st.just("fold"), st.just(0)),
    st.tuples(st.just("rebuild"), st.just(0)),
    st.tuples(st.just("retract"), st.integers(0, 30)),
    st.tuples(ACTIONS | st.just("clicked"), st.integers(0, 30)),
    st.tuples(ACTIONS.map(lambda action: action + " up to"), st.integers(0, 30)),
)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(STEPS, min_size=5, max_size=40))
async def test_counts_and_lists_agree_with_a_plain_model(
    steps: list[tuple[str, int]], database: Database, project: Tenant, publish: Any, mark_items: Any, new_alice: Any, retract: Any
) -> None:
    alice = await new_alice()
    model: list[Item] = []
    # Watermarks begin beyond 3 items instead of 2,000, so that a short history crosses the boundary often.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(marks, "STEP", 3)
        for step, which in steps:
            if step == "publish" or not model:
                model.append(Item(await publish([alice.external_id])))
            elif step == "fold":
                await fold(database, project.id, alice.subscriber, settled_s=0)
            elif step == "rebuild":
                await rebuild_inbox(database.system, project.shard, lambda done, all_of_them: None)
            elif step == "retract":
                await retract(model.pop(which % len(model)).id)
            elif step.endswith(" up to"):
                await check_up_to(mark_items, alice, model, step.removesuffix(" up to"), which)
            else:
                item = model[which % len(model)]
                await mark_items(alice, step, ids=[item.id])
                item.take(step)
    await check(database, alice, model)


async def check_up_to(mark_items: Any, alice: SubscriberSession, model: list[Item], action: str, which: int) -> None:
    last = model[which % len(model)]
    await mark_items(alice, action, up_to=last.id)
    for item in model:
        # "All" means what is in the inbox; archived items are left alone, except to be taken back.
        if item.id <= last.id and (action == "unarchived" or not item.archived):
            item.take(action)


async def check(database: Database, alice: SubscriberSession, model: list[Item]) -> None:
    here = [item for item in model if not item.archived]
    async with tenant_connection(database, alice.tenant.id) as connection:
        counts = (await counts_of(connection, [alice.subscriber]))[alice.subscriber]
        pages = {
            view: await read_page(connection, alice.tenant.id, alice.subscriber, view, None, None, 200, HERE)  # type: ignore[arg-type]
            for view in ("all", "unread", "archived")
        }
    assert [(one.id, one.seen_at is not None, one.read_at is not None) for one in pages["all"].items] == [
        (item.id, item.seen, item.read) for item in reversed(here)
    ]
    assert [one.id for one in pages["unread"].items] == [item.id for item in reversed(here) if not item.read]
    assert [one.id for one in pages["archived"].items] == [item.id for item in reversed(model) if item.archived]
    assert counts == Counts(len(here), sum(not item.seen for item in here), sum(not item.read for item in here))


async def test_rebuild_gives_equal_rows_after_races_of_read_against_unread(
    database: Database, project: Tenant, alice: SubscriberSession, publish: Any, mark_items: Any, inbox_rows: Rows
) -> None:
    ids = [await publish([alice.external_id], f"item {n}") for n in range(12)]
    races = [mark_items(alice, action, ids=[one]) for one in ids for action in ("read", "unread", "seen", "clicked", "read", "archived")]
    races += [mark_items(alice, action, up_to=ids[n]) for n in (3, 7, 11) for action in ("read", "unread", "seen")]
    races += [publish([alice.external_id], "meanwhile") for _ in range(12)]
    await asyncio.gather(*races)
    before = await inbox_rows(alice)
    assert len(before) == 24

    await rebuild_inbox(database.system, project.shard, lambda done, all_of_them: None)

    assert await inbox_rows(alice) == before


async def test_rebuild_gives_equal_rows_when_a_large_mark_races_with_publishing(
    database: Database,
    project: Tenant,
    alice: SubscriberSession,
    publish: Any,
    mark_items: Any,
    inbox_rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(marks, "STEP", 2)
    ids = [await publish([alice.external_id]) for _ in range(8)]
    races = [publish([alice.external_id]) for _ in range(20)]
    races += [mark_items(alice, "read", up_to=ids[-1]), mark_items(alice, "unread", ids=ids[2:4]), mark_items(alice, "read", up_to=ids[5])]
    await asyncio.gather(*races)
    before = await inbox_rows(alice)

    await rebuild_inbox(database.system, project.shard, lambda done, all_of_them: None)

    assert await inbox_rows(alice) == before


async def test_two_devices_marking_at_once_leave_the_counts_right(
    alice: SubscriberSession, publish: Any, mark_items: Any, database: Database
) -> None:
    ids = [await publish([alice.external_id]) for _ in range(20)]
    answers = await asyncio.gather(*(mark_items(alice, "read", ids=ids) for _ in range(8)))
    assert sum(answer.changed for answer in answers) == 20
    async with tenant_connection(database, alice.tenant.id) as connection:
        assert (await counts_of(connection, [alice.subscriber]))[alice.subscriber] == Counts(20, 0, 0)


async def test_marking_up_to_an_item_of_somebody_else_is_refused(alice: SubscriberSession, publish: Any, mark_items: Any) -> None:
    stranger = await publish(["somebody-else"])
    await publish([alice.external_id])
    with pytest.raises(NotFound):
        await mark_items(alice, "read", up_to=stranger)


async def test_of_several_with_one_collapse_key_the_newest_stays(alice: SubscriberSession, publish: Any, inbox_rows: Rows) -> None:
    ids = await asyncio.gather(*(publish([alice.external_id], f"build {n}", collapse_key="build") for n in range(10)))
    assert [row[0] for row in await inbox_rows(alice)] == [max(ids)]
