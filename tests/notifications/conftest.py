"""The publish door and an inbox without HTTP around them, on a real PostgreSQL with a real sequencer."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from own_database import SHARDS, own_database, sequencing
from running import Servers

from tidings.access.principals import SubscriberSession, Tenant
from tidings.access.projects import create_project
from tidings.events.wake import Waker
from tidings.notifications.draft import draft_of
from tidings.notifications.marks import Action, mark
from tidings.notifications.publish import PublishDoor
from tidings.notifications.routes import answer_single
from tidings.notifications.structs import Mark, Marked, NewNotification
from tidings.notifications.withdraw import withdraw
from tidings.platform.postgres import Database, tenant_connection, tenant_transaction
from tidings.platform.redis import open_redis
from tidings.platform.secrets import load_secret
from tidings.recipients.resolve import ensure_subscribers
from tidings.settings import Settings

Publish = Callable[..., Awaitable[str]]
MarkItems = Callable[..., Awaitable[Marked]]


@pytest.fixture(scope="package")
async def database(servers: Servers) -> AsyncIterator[Database]:
    """Of its own: a rebuild locks every inbox, and chunks are taken by hand here."""
    async with own_database(servers) as (url, database), sequencing(servers, url):
        yield database


@pytest.fixture(scope="package")
async def waker(servers: Servers) -> AsyncIterator[Waker]:
    waker = Waker(open_redis(servers.redis_url))
    waker.start()
    yield waker
    await waker.stop()


@pytest.fixture(scope="package")
async def project(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Tenant:
    load_secret(Settings(state_dir=tmp_path_factory.mktemp("state")))
    tenant, _ = await create_project(database, "read state", SHARDS)
    return tenant


@pytest.fixture(scope="package")
def new_alice(database: Database, project: Tenant) -> Callable[[], Awaitable[SubscriberSession]]:
    """Somebody new each time, by the name of alice."""

    async def new_alice() -> SubscriberSession:
        name = f"alice-{uuid4()}"
        async with tenant_transaction(database, project.id) as connection:
            inner = (await ensure_subscribers(connection, project.id, [name], "test"))[name]
        now = datetime.now(UTC)
        return SubscriberSession(project, inner, name, now, now)

    return new_alice


@pytest.fixture
async def alice(new_alice: Callable[[], Awaitable[SubscriberSession]]) -> SubscriberSession:
    return await new_alice()


@pytest.fixture(scope="package")
def retract(database: Database, project: Tenant, waker: Waker) -> Callable[[str], Awaitable[bool]]:
    async def retract(notification: str) -> bool:
        async with tenant_transaction(database, project.id) as connection:
            done = await withdraw(connection, project, notification, "retracted", "key:test", datetime.now(UTC))
        waker.wake(project.shard)
        return done

    return retract


@pytest.fixture(scope="package")
def publish(database: Database, project: Tenant, waker: Waker) -> Publish:
    door = PublishDoor(database, waker, lambda shard: 0, 10_000)

    async def publish(to: list[Any], title: str = "hello", **more: Any) -> str:
        wanted = msgspec.convert({"to": to, "title": title} | more, NewNotification)
        answer = await door.publish(project, "key:test", [draft_of(wanted, datetime.now(UTC))], None, answer_single)
        return str(msgspec.json.decode(answer.body)["id"])

    return publish


@pytest.fixture(scope="package")
def mark_items(database: Database, waker: Waker) -> MarkItems:
    async def mark_items(session: SubscriberSession, action: Action, **which: Any) -> Marked:
        async with tenant_transaction(database, session.tenant.id) as connection:
            marked = await mark(connection, session, action, Mark(**which), datetime.now(UTC))
        waker.wake(session.tenant.shard)
        return marked

    return mark_items


@pytest.fixture(scope="package")
def inbox_rows(database: Database) -> Callable[[SubscriberSession], Awaitable[list[tuple[Any, ...]]]]:
    """What a subscriber's inbox says, item by item: id, seen, read, archived, clicked, with their times."""

    async def inbox_rows(session: SubscriberSession) -> list[tuple[Any, ...]]:
        async with tenant_connection(database, session.tenant.id) as connection:
            return [tuple(row) for row in await connection.fetch(EFFECTIVE, session.subscriber)]

    return inbox_rows


EFFECTIVE = """
SELECT i.id::text,
    coalesce(i.seen_at, CASE WHEN NOT i.apart AND i.id <= s.seen_up_to THEN s.seen_up_to_at END),
    coalesce(i.read_at, CASE WHEN NOT i.apart AND i.id <= s.read_up_to THEN s.read_up_to_at END),
    i.archived_at, i.clicked_at
FROM inbox i LEFT JOIN inbox_states s ON s.subscriber = i.subscriber WHERE i.subscriber = $1 ORDER BY i.id
"""
