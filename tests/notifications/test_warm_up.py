"""The first publish of a process is not slower than others."""

from own_database import own_database
from running import Servers

from tidings.events.wake import Waker
from tidings.notifications import lone, topical
from tidings.notifications.publish import PublishDoor
from tidings.platform.redis import open_redis


async def test_the_statements_of_publishing_are_prepared_before_anyone_publishes(servers: Servers) -> None:
    async with own_database(servers) as (_, database):
        await PublishDoor(database, Waker(open_redis(servers.redis_url)), lambda shard: 0, 1).warm_up()
        async with database.tenant.acquire() as one, database.tenant.acquire() as other:
            for connection in (one, other):
                prepared = {row[0] for row in await connection.fetch("SELECT statement FROM pg_prepared_statements")}
                assert {lone.WRITE, topical.WRITE} <= prepared
        written = await database.system.fetchval("SELECT (SELECT count(*) FROM notifications) + (SELECT count(*) FROM outbox)")
        assert written == 0
