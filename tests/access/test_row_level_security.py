"""No project sees another's rows: every table of the catalogue that has a tenant, whoever adds the next one."""

import asyncpg
import pytest
from in_process import Api

from tidings.platform.postgres import Database, tenant_connection, tenant_transaction

# A partition is reached through its parent, whose policies apply; without a grant to the processes' roles it needs none of its own.
TENANT_TABLES = """
SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity, c.relispartition,
    ARRAY(SELECT polname::text FROM pg_policy WHERE polrelid = c.oid) AS policies,
    has_table_privilege('tidings_api', c.oid, 'SELECT') AS readable
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p')
  AND (c.relname = 'projects' OR EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = 'project' AND NOT attisdropped))
ORDER BY c.relname
"""
NOT_TENANT_TABLES = {"shards", "planned", "halts", "service_checks", "signing_keys", "migration"}


async def test_every_table_with_a_tenant_is_under_row_level_security(database: Database) -> None:
    tables = await database.system.fetch(TENANT_TABLES)
    assert len(tables) >= 18
    for table in tables:
        assert table["relrowsecurity"], table["relname"]
        assert table["relforcerowsecurity"], table["relname"]
        assert "tenant" in table["policies"] or (table["relispartition"] and not table["readable"]), table["relname"]


async def test_what_the_api_role_reads_has_a_tenant_or_is_shared_on_purpose(database: Database) -> None:
    readable = await database.system.fetch(
        """SELECT relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE nspname = 'public' AND relkind IN ('r', 'p', 'v', 'm') AND has_table_privilege('tidings_api', c.oid, 'SELECT')"""
    )
    with_tenant = {row["relname"] for row in await database.system.fetch(TENANT_TABLES)}
    assert {row["relname"] for row in readable} - with_tenant <= NOT_TENANT_TABLES


async def test_a_query_as_another_project_returns_nothing(api: Api) -> None:
    await fill(api)
    stranger = await api.database.system.fetchval(
        "INSERT INTO projects (key, name, shard) VALUES (md5(random()::text), 'stranger', 0) RETURNING id"
    )
    filled = 0
    for table in await api.database.system.fetch(TENANT_TABLES):
        if not table["readable"]:
            continue
        name, column = table["relname"], "id" if table["relname"] == "projects" else "project"
        ours = f"SELECT count(*) FROM {name} WHERE {column} = {api.tenant.id}"
        async with tenant_connection(api.database, api.tenant.id) as connection:
            filled += bool(await connection.fetchval(ours))
        async with tenant_connection(api.database, stranger) as connection:
            assert await connection.fetchval(ours) == 0, name
            assert await connection.fetchval(f"SELECT count(*) FROM {name} WHERE {column} <> {stranger}") == 0, name
    assert filled >= 8


async def fill(api: Api) -> None:
    await api.ok("PUT", "/v1/topics/news/subscribers", {"add": ["alice"]})
    await api.ok("POST", "/v1/keys", {"name": "k", "scopes": ["*"]}, Idempotency_Key="fill")
    await api.ok("POST", "/v1/public-keys", {"name": "k", "public_key": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})


async def test_an_unset_tenant_sees_nothing(api: Api) -> None:
    await fill(api)
    for forgotten in ("RESET tidings.project", "SELECT set_config('tidings.project', '', false)"):
        async with tenant_transaction(api.database, api.tenant.id) as connection:
            await connection.execute(forgotten)
            assert await connection.fetchval("SELECT count(*) FROM subscribers") == 0
            await connection.execute("SELECT set_config('tidings.project', $1, false)", str(api.tenant.id))


async def test_rows_cannot_be_written_into_another_project(api: Api) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with tenant_transaction(api.database, api.tenant.id) as connection:
            await connection.execute(
                "INSERT INTO subscribers (project, external_id, created_by) VALUES ($1, 'mallory', 'x')", api.tenant.id + 1
            )


@pytest.mark.parametrize(
    "statement",
    ["INSERT INTO events SELECT * FROM events", "DELETE FROM events", "UPDATE outbox SET data = '{}'", "SELECT * FROM signing_keys"],
)
async def test_the_api_role_changes_no_history_and_reads_no_signing_key(api: Api, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with tenant_transaction(api.database, api.tenant.id) as connection:
            await connection.execute(statement)
