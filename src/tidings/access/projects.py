"""Projects: made by the command line, never over the API."""

import zlib

import msgspec

from tidings.access.keys import NewKeyRow, insert_key
from tidings.access.principals import Tenant
from tidings.access.scopes import EVERYTHING
from tidings.platform.ids import random_id
from tidings.platform.postgres import Connection, Database

ACTOR = "system:cli"


async def create_project(database: Database, name: str, shards: int) -> tuple[Tenant, str]:
    """A project and its first API key, which may do everything; the secret is shown here and never again.

    `platform.secrets.load_secret` has to be called first.
    """
    key = random_id("prj")
    shard = zlib.crc32(key.encode()) % shards
    async with database.system.acquire() as connection, connection.transaction():
        project = await connection.fetchval("INSERT INTO projects (key, name, shard) VALUES ($1, $2, $3) RETURNING id", key, name, shard)
        tenant = Tenant(project, key, shard)
        secret = await key_to_everything(connection, tenant, "First key")
    return tenant, secret


async def key_to_everything(connection: Connection, tenant: Tenant, name: str) -> str:
    """The secret of a new API key. Called last in a transaction."""
    _, secret = await insert_key(connection, tenant, NewKeyRow(name=name, scopes=[EVERYTHING]), ACTOR)
    return secret


class ProjectRow(msgspec.Struct, frozen=True):
    tenant: Tenant
    name: str


async def list_projects(database: Database) -> list[ProjectRow]:
    rows = await database.system.fetch("SELECT id, key, shard, name FROM projects ORDER BY id")
    return [ProjectRow(Tenant(row["id"], row["key"], row["shard"]), row["name"]) for row in rows]


async def find_project(database: Database, key: str) -> Tenant | None:
    row = await database.system.fetchrow("SELECT id, key, shard FROM projects WHERE key = $1", key)
    return Tenant(row["id"], row["key"], row["shard"]) if row else None
