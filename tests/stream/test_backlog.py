"""A full backlog refuses with 503 and a time to come back, in batches too; when the sequencer has caught up, publishing goes on."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from own_database import SHARDS, own_database, sequencing
from running import Servers, until

from tidings.access.projects import create_project
from tidings.errors import Unavailable
from tidings.events.entry import LogEvent
from tidings.events.wake import Waker
from tidings.notifications.draft import draft_of
from tidings.notifications.publish import PublishDoor
from tidings.notifications.routes import answer_batch
from tidings.notifications.structs import NewNotification
from tidings.platform.postgres import Database
from tidings.platform.redis import open_redis
from tidings.platform.secrets import load_secret
from tidings.settings import Settings
from tidings.stream.follower import Follower
from tidings.stream.shard import Shard

LIMIT = 100
BATCH = 30


@pytest.fixture
async def own(servers: Servers) -> AsyncIterator[tuple[str, Database]]:
    async with own_database(servers) as found:
        yield found


async def test_a_full_backlog_refuses_until_it_is_worked_off(own: tuple[str, Database], servers: Servers, tmp_path: Path) -> None:
    url, database = own
    load_secret(Settings(state_dir=tmp_path))
    tenant, _ = await create_project(database, "many", SHARDS)
    settings = Settings(database_url=url, redis_url=servers.redis_url, shards=SHARDS)
    follower = Follower(database, servers.redis_url, settings, take_in, lambda shard, reason: None)
    await follower.start()
    shard = follower.shards[tenant.shard]
    waker = Waker(open_redis(servers.redis_url))

    def let_in(number: int, events: int) -> None:
        assert number == tenant.shard
        shard.backlog.let_in += events

    door = PublishDoor(database, waker, lambda number: shard.backlog.at(shard.position), LIMIT, let_in)

    async def publish() -> None:
        drafts = [draft_of(NewNotification(to=["alice"], title=str(number)), datetime.now(UTC)) for number in range(BATCH)]
        await door.publish(tenant, "key:test", drafts, None, answer_batch)

    async def publish_until_refused() -> tuple[int, Unavailable]:
        for number in range(LIMIT):
            try:
                await publish()
            except Unavailable as refusal:
                return number * BATCH, refusal
        raise AssertionError("nothing was refused")

    accepted, refusal = await publish_until_refused()
    assert refusal.retry_after == 1
    # The bound holds within a batch, though PostgreSQL is asked only now and then.
    assert LIMIT - BATCH < accepted < LIMIT + BATCH
    assert await database.system.fetchval("SELECT count(*) FROM outbox WHERE type = 'notification.created'") == accepted

    async def is_worked_off() -> bool:
        logged = await database.system.fetchval("SELECT count(*) FROM events WHERE type = 'notification.created'")
        return logged == accepted and shard.backlog.at(shard.position) == 0

    async with sequencing(servers, url):
        await until(is_worked_off, 15)
        await publish()
        accepted += BATCH
        await until(is_worked_off, 15)
    await follower.stop()


def take_in(shard: Shard, events: Sequence[LogEvent]) -> None:
    shard.position = events[-1].position
