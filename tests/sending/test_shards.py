"""A planner notices shards that are added while it runs."""

import asyncio
import json
from pathlib import Path

from own_database import SHARDS, own_database
from running import Servers, until

from tidings.access.principals import KeyHolder, Tenant
from tidings.access.projects import create_project
from tidings.deliveries.destinations.endpoints import create_endpoint
from tidings.deliveries.destinations.structs import NewEndpoint
from tidings.events.cursor import new_epoch
from tidings.platform.ending import end_tasks
from tidings.platform.migrate import migrate
from tidings.platform.postgres import Database, tenant_transaction
from tidings.platform.secrets import load_secret
from tidings.settings import Settings
from tidings.vault import load_vault
from workers import planner

HAPPEN = """
INSERT INTO events (shard, position, project, type, notification, recipients, everyone, data, actor, accepted_at, created_at)
VALUES ($1, 1, $2, 'notification.created', gen_random_uuid(), '{1}', false, $3, 'key:test', now(), clock_timestamp())
"""


async def project_with_endpoint(database: Database, settings: Settings, shard: int) -> Tenant:
    made, _ = await create_project(database, "shards", SHARDS)
    await database.system.execute("UPDATE projects SET shard = $2 WHERE id = $1", made.id, shard)
    tenant = Tenant(made.id, made.key, shard)
    async with tenant_transaction(database, tenant.id) as connection:
        holder = KeyHolder(tenant, "key_test", frozenset("*"))
        # Where nobody listens: planned it is, whatever becomes of it.
        new = NewEndpoint(url="https://hooks.example.com/tidings", events=["*"])
        await create_endpoint(connection, holder, load_vault(settings), lambda _: None, new)
    return tenant


async def test_what_happens_in_a_new_shard_is_planned_by_a_planner_that_runs_already(servers: Servers, tmp_path: Path) -> None:
    async with own_database(servers) as (url, database):
        settings = Settings(database_url=url, redis_url=servers.redis_url, state_dir=tmp_path)
        load_secret(settings)
        task = asyncio.create_task(planner.main(settings))

        async def happens_and_is_planned(shard: int) -> None:
            tenant = await project_with_endpoint(database, settings, shard)
            await database.system.execute(HAPPEN, shard, tenant.id, json.dumps({"id": "n", "title": "t"}))
            await database.system.execute("UPDATE shards SET head = 1 WHERE shard = $1", shard)

            async def is_planned() -> bool:
                return bool(await database.system.fetchval("SELECT count(*) FROM deliveries WHERE project = $1", tenant.id))

            await until(is_planned, 30, f"what happened in shard {shard} is planned")

        try:
            await happens_and_is_planned(SHARDS - 1)
            await migrate(url, SHARDS + 1, new_epoch)
            await happens_and_is_planned(SHARDS)
        finally:
            await end_tasks([task])
