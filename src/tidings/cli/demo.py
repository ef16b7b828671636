"""The demo project of `tidings run`, made once, and demo.json, where scripts find its key."""

import msgspec

from tidings.access.projects import create_project, find_project, key_to_everything
from tidings.access.secret import hash_of
from tidings.cli.configuration import demo_file
from tidings.errors import Unauthenticated
from tidings.platform.embedded.memory import write_private
from tidings.platform.postgres import Database, open_database
from tidings.platform.secrets import load_secret
from tidings.settings import Settings

IS_KNOWN = """
SELECT EXISTS (SELECT FROM projects p JOIN api_keys k ON k.project = p.id
               WHERE p.key = $1 AND k.hash = $2 AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now()))
"""


class Demo(msgspec.Struct):
    base_url: str
    api_key: str
    project: str
    subscriber: str = "ana"


def read_demo(settings: Settings) -> Demo | None:
    """As the last run left it."""
    try:
        return msgspec.json.decode(demo_file(settings).read_bytes(), type=Demo)
    except (OSError, msgspec.DecodeError):
        return None


async def make_demo(settings: Settings, base_url: str) -> Demo:
    """The demo project, made if this database does not have it, with another key if its own ended; in demo.json for this address."""
    assert settings.database_url is not None
    load_secret(settings)
    demo = read_demo(settings)
    database = await open_database(settings.database_url, tenant_size=1, system_size=1, name="tidings run")
    try:
        if demo is None or not await is_known(database, demo):
            demo = await made_again(database, settings, base_url, demo)
    finally:
        await database.close()
    demo.base_url = base_url
    write_private(demo_file(settings), msgspec.json.format(msgspec.json.encode(demo)) + b"\n")
    return demo


async def made_again(database: Database, settings: Settings, base_url: str, before: Demo | None) -> Demo:
    """In the project of before, if there is one: after another secret, commands that name no project would be led away from its data."""
    tenant = None if before is None else await find_project(database, before.project)
    if before is None or tenant is None:
        tenant, api_key = await create_project(database, "Demo", settings.shards)
        return Demo(base_url, api_key, tenant.key)
    async with database.system.acquire() as connection, connection.transaction():
        return Demo(base_url, await key_to_everything(connection, tenant, "Demo"), tenant.key, before.subscriber)


async def is_known(database: Database, demo: Demo) -> bool:
    try:
        known: bool = await database.system.fetchval(IS_KNOWN, demo.project, hash_of(demo.api_key))
    except Unauthenticated:
        return False
    return known
