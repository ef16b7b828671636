"""What is asked often touches few rows, however large an inbox, a topic or the log has grown: by the plans of the very statements sent."""

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from own_database import own_database
from plans import Explaining
from running import Servers

from tidings.access.idempotency import OnceKey, claim
from tidings.access.principals import KeyHolder, SubscriberSession, Tenant
from tidings.access.projects import create_project
from tidings.events.cursor import Cursor
from tidings.events.log import read_after
from tidings.notifications.counts import count_one, lock_state
from tidings.notifications.inbox import View, read_page
from tidings.notifications.marks import Action, mark
from tidings.notifications.structs import Mark
from tidings.notifications.withdraw import remove_collapsed
from tidings.platform.ids import uuid7
from tidings.platform.postgres import Database, piccolo_uses, tenant_transaction
from tidings.platform.secrets import load_secret
from tidings.recipients.members import change_members, list_members
from tidings.recipients.resolve import ensure_subscribers
from tidings.recipients.search import search_subscribers
from tidings.recipients.structs import MembersChange
from tidings.settings import Settings

ITEMS = 100_000
OTHERS = 5000
HERE = Cursor("aaaaaaaa", 1)

# Every other of these is to somebody else; alice has read and archived some of the older ones, one by one.
FILL = """
WITH stamped AS (
    SELECT number, now() - interval '1 hour' - ($3 - number) * interval '1 millisecond' AS at FROM generate_series(1, $3::int) AS number
), named AS MATERIALIZED (
    SELECT *,
        (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '70008000' || lpad(to_hex(number), 12, '0'))::uuid AS id,
        CASE WHEN number % 1000 = 7 THEN 'rare' WHEN number % 2 = 0 THEN 'common' END AS category FROM stamped
), written AS (
    INSERT INTO notifications (project, id, title, channels, audience, recipients, recipient_ids, created_by, created_at, category)
    SELECT $1, id, 'hello', ARRAY['in_app'], '["alice"]', 1, ARRAY[$2::bigint], 'key:test', at, category FROM named
), delivered AS (
    INSERT INTO inbox (project, subscriber, id, category, collapse_key, archived_at, apart)
    SELECT $1::int, $2::bigint, id, category, CASE WHEN number % 10 = 0 THEN 'build ' || number END,
        CASE WHEN number % 100 = 3 THEN at END, number % 100 = 3 FROM named
    UNION ALL
    SELECT $1, ($4::bigint[])[1 + number % cardinality($4)], id, category, NULL, NULL, false FROM named
)
INSERT INTO events (shard, position, project, type, notification, recipients, everyone, data, actor, accepted_at, created_at)
SELECT $5, number, $1, 'notification.created', id, ARRAY[$2::bigint], false, '{}', 'key:test', at, at FROM named
"""

Watching = Callable[[], AbstractAsyncContextManager[Explaining]]


@pytest.fixture(scope="module")
async def large(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Database]:
    """Alice has 100,000 items, 5,000 others share as many; all of them are in one topic, which has been used for a while."""
    load_secret(Settings(state_dir=tmp_path_factory.mktemp("state")))
    async with own_database(servers) as (_, database):
        tenant, _ = await create_project(database, "plans", 2)
        holder = KeyHolder(tenant, "key_test", frozenset("*"))
        names = ["alice", *(f"other-{number}" for number in range(OTHERS))]
        async with tenant_transaction(database, tenant.id) as connection:
            inner = await ensure_subscribers(connection, tenant.id, names, "test")
            for step in range(0, OTHERS, 1000):
                await change_members(connection, holder, "everybody", MembersChange(add=names[step : step + 1000]))
        others = [inner[name] for name in names[1:]]
        await database.system.execute(FILL, tenant.id, inner["alice"], ITEMS, others, tenant.shard)
        await database.system.execute(
            "INSERT INTO idempotency_keys (project, key, request_hash, status, body) SELECT $1, 'key ' || n, '', 202, '' "
            "FROM generate_series(1, 20000) AS n",
            tenant.id,
        )
        await database.system.execute("UPDATE topic_changes SET position = 1")
        await database.system.execute(
            "UPDATE subscribers SET email = external_id || '@example.com', attributes = jsonb_build_object('n', id)"
        )
        await analyze(servers, database)
        yield database


async def analyze(servers: Servers, database: Database) -> None:
    """As the owner, who alone may."""
    async with database.system.acquire() as connection:
        await connection.execute("SET ROLE NONE")
        await connection.execute("VACUUM ANALYZE")
        await connection.execute("SET ROLE tidings_worker")


@pytest.fixture(scope="module")
async def alice(large: Database) -> SubscriberSession:
    row = await large.system.fetchrow("SELECT p.id, p.key, p.shard, s.id FROM projects p, subscribers s WHERE s.external_id = 'alice'")
    now = datetime.now(UTC)
    return SubscriberSession(Tenant(row[0], row[1], row[2]), row[3], "alice", now, now)


@pytest.fixture
def watching(large: Database, alice: SubscriberSession) -> Watching:
    """A transaction of the API's role that is rolled back, so that every test finds the same database."""

    @asynccontextmanager
    async def watching() -> AsyncIterator[Explaining]:
        with contextlib.suppress(TakenBack):
            async with tenant_transaction(large, alice.tenant.id) as connection:
                yield Explaining(connection)
                raise TakenBack

    return watching


class TakenBack(Exception):
    pass


async def page(connection: Any, alice: SubscriberSession, view: View = "all", category: str | None = None, after: str | None = None) -> Any:
    return await read_page(connection, alice.tenant.id, alice.subscriber, view, category, after, 25, HERE)


async def newest(connection: Any, alice: SubscriberSession) -> str:
    found = await connection.connection.fetchval(
        "SELECT id::text FROM inbox WHERE subscriber = $1 ORDER BY id DESC LIMIT 1", alice.subscriber
    )
    return str(found)


async def folded(connection: Explaining, alice: SubscriberSession) -> None:
    """As the first time that somebody asks how many there are leaves it."""
    await lock_state(connection.connection, alice.tenant.id, alice.subscriber)
    await connection.connection.execute(FOLD_FOR_TESTS, alice.subscriber)


FOLD_FOR_TESTS = """
UPDATE inbox_states SET counted_to = last.id, total = last.total, unseen = last.total, unread = last.total
FROM (SELECT max(id::text)::uuid AS id, count(*) FILTER (WHERE archived_at IS NULL) AS total FROM inbox WHERE subscriber = $1) AS last
WHERE subscriber = $1
"""


@pytest.mark.parametrize("view", ["all", "unread", "archived"])
async def test_pages(watching: Watching, alice: SubscriberSession, view: View) -> None:
    async with watching() as connection:
        first = await page(connection, alice, view)
        assert len(first.items) == 25
        await page(connection, alice, view, after=first.next)
        connection.check(100)


async def test_pages_of_a_category(watching: Watching, alice: SubscriberSession) -> None:
    async with watching() as connection:
        assert len((await page(connection, alice, category="rare")).items) == 25
        assert len((await page(connection, alice, category="common")).items) == 25
        connection.check(100)


@pytest.mark.parametrize("view", ["all", "unread"])
async def test_pages_after_everything_was_read(watching: Watching, alice: SubscriberSession, view: View) -> None:
    async with watching() as connection:
        await mark(connection.connection, alice, "read", Mark(up_to=await newest(connection, alice)), datetime.now(UTC))
        await page(connection, alice, view)
        connection.check(100)


async def test_a_page_after_everything_was_archived(watching: Watching, alice: SubscriberSession) -> None:
    async with watching() as connection:
        await connection.connection.execute("UPDATE inbox SET archived_at = now(), apart = true WHERE subscriber = $1", alice.subscriber)
        await folded(connection, alice)
        assert (await page(connection, alice)).items == []
        connection.check(100)


async def test_counts(watching: Watching, alice: SubscriberSession) -> None:
    async with watching() as connection:
        await folded(connection, alice)
        counts, _ = await count_one(connection, alice.subscriber)
        assert counts.total == ITEMS * 99 // 100
        connection.check(100)


@pytest.mark.parametrize("action", ["seen", "read", "unread", "archived"])
async def test_marks_of_one(watching: Watching, alice: SubscriberSession, action: Action) -> None:
    async with watching() as connection:
        await folded(connection, alice)
        await mark(connection, alice, action, Mark(ids=[await newest(connection, alice)]), datetime.now(UTC))
        connection.check(100)


@pytest.mark.parametrize("action", ["seen", "read"])
async def test_marking_all(watching: Watching, alice: SubscriberSession, action: Action) -> None:
    """The first moves a watermark over 100,000 items; the next finds all of them covered and only the new ones to change."""
    async with watching() as connection:
        await folded(connection, alice)
        last = await newest(connection, alice)
        assert (await mark(connection, alice, action, Mark(up_to=last), datetime.now(UTC))).changed == ITEMS * 99 // 100
        connection.check(2500)
        new = await three_more(connection, alice)
        assert (await mark(connection, alice, action, Mark(up_to=new), datetime.now(UTC))).changed == 3
        connection.check(100)
        assert (await mark(connection, alice, action, Mark(up_to=new), datetime.now(UTC))).changed == 0
        connection.check(100)


async def test_marking_all_where_each_was_marked_by_itself(watching: Watching, alice: SubscriberSession) -> None:
    async with watching() as connection:
        await connection.connection.execute("UPDATE inbox SET seen_at = now(), read_at = now() WHERE subscriber = $1", alice.subscriber)
        await folded(connection, alice)
        await connection.connection.execute("UPDATE inbox_states SET unseen = 0, unread = 0 WHERE subscriber = $1", alice.subscriber)
        new = await three_more(connection, alice)
        for action in ("seen", "read"):
            await mark(connection, alice, action, Mark(up_to=new), datetime.now(UTC))  # type: ignore[arg-type]
        await page(connection, alice, "unread")
        connection.check(100)


async def three_more(connection: Explaining, alice: SubscriberSession) -> str:
    ids = [str(uuid7()) for _ in range(3)]
    await connection.connection.execute(
        "INSERT INTO inbox (project, subscriber, id) SELECT $1, $2, unnest($3::uuid[])", alice.tenant.id, alice.subscriber, ids
    )
    return ids[-1]


async def test_replacing_by_collapse_key(watching: Watching, alice: SubscriberSession) -> None:
    async with watching() as connection:
        await remove_collapsed(connection, alice.tenant.id, "build 50000", [alice.subscriber])
        connection.check(100)


async def test_people_and_members(watching: Watching, alice: SubscriberSession) -> None:
    async with watching() as connection:
        assert len(await ensure_subscribers(connection, alice.tenant.id, ["alice", "other-7"], "test")) == 2
        members = await list_members(connection, alice.tenant.id, "everybody", None, 25)
        await list_members(connection, alice.tenant.id, "everybody", members.next, 25)
        connection.check(100)


async def test_the_log_after_a_position_and_idempotency_keys(watching: Watching, alice: SubscriberSession) -> None:
    async with watching() as connection:
        assert len(await read_after(connection, alice.tenant.shard, ITEMS // 2, 50)) == 50
        await claim(connection, alice.tenant.id, [OnceKey("key 7", b"")])
        connection.check(100)


async def test_the_log_as_a_process_follows_it(large: Database, alice: SubscriberSession) -> None:
    async with large.system.acquire() as connection, connection.transaction():
        explaining = Explaining(connection)
        assert len(await read_after(explaining, alice.tenant.shard, ITEMS // 2, 50)) == 50
        explaining.check(100)


async def test_people_found_by_email(watching: Watching, alice: SubscriberSession) -> None:
    async with watching() as connection:
        with piccolo_uses(connection):
            found = await search_subscribers(alice.tenant.id, None, "Other-7@example.com", [], None, 25)
        assert [one.id for one in found.items] == ["other-7"]
        connection.check(100)
