"""A database of one's own on the suite's PostgreSQL, for tests that hold locks or shards which others would wait for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
from running import Servers

from tidings.events.cursor import new_epoch
from tidings.events.sequencer import Sequencer
from tidings.platform.ending import end_tasks
from tidings.platform.migrate import migrate
from tidings.platform.postgres import Database, open_database
from tidings.platform.redis import open_redis

SHARDS = 2


@asynccontextmanager
async def own_database(servers: Servers, shards: int = SHARDS) -> AsyncIterator[tuple[str, Database]]:
    """Its URL and its pools."""
    name = f"own_{uuid4().hex[:12]}"
    url = urlunsplit(urlsplit(servers.database_url)._replace(path=f"/{name}"))
    await execute(servers, f"CREATE DATABASE {name}")
    await migrate(url, shards, new_epoch)
    database = await open_database(url, tenant_size=8)
    yield url, database
    await database.close()
    await execute(servers, f"DROP DATABASE {name} WITH (FORCE)")


async def execute(servers: Servers, sql: str) -> None:
    """On a connection of its own: another test may have restarted the server in between."""
    admin = await asyncpg.connect(servers.database_url)
    await admin.execute(sql)
    await admin.close()


@asynccontextmanager
async def sequencing(servers: Servers, url: str) -> AsyncIterator[None]:
    """A sequencer in this process."""
    redis = open_redis(servers.redis_url)
    sequencer = Sequencer(url, redis, redis, lease_s=2, window=1000)
    task = asyncio.create_task(sequencer.run(list(range(SHARDS))))
    yield
    await end_tasks([task])
    await redis.aclose()
