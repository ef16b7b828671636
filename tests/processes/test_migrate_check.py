"""What migrations do to whoever is at work: read before they run, and on a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest
from running import Servers, until

from tidings.events.cursor import new_epoch
from tidings.platform import migrate as module
from tidings.platform.migrate import migrate, pending
from tidings.platform.migrations import tidings_2026_11_23_core as core
from tidings.platform.schema.known import known_migrations, read_migrations
from tidings.platform.schema.statements import effects_of

# Those before ran on no database in service: there was no release.
SINCE = "2026-11-28"

DANGEROUS = [
    "CREATE INDEX a ON inbox (project)",
    "CREATE UNIQUE INDEX CONCURRENTLY a ON inbox (project)",
    "ALTER TABLE inbox ALTER COLUMN id TYPE bigint",
    "ALTER TABLE inbox ALTER id SET NOT NULL",
    "ALTER TABLE inbox ADD COLUMN a uuid NOT NULL DEFAULT gen_random_uuid()",
    "ALTER TABLE inbox ADD a timestamptz DEFAULT clock_timestamp()",
    "ALTER TABLE inbox ADD COLUMN a int NOT NULL",
    "ALTER TABLE inbox ADD COLUMN a text GENERATED ALWAYS AS (lower(b)) STORED",
    "ALTER TABLE inbox ADD COLUMN a int UNIQUE",
    "ALTER TABLE inbox ADD COLUMN a int, ADD CONSTRAINT b CHECK (c > 0)",
    "ALTER TABLE inbox ADD CONSTRAINT b FOREIGN KEY (c) REFERENCES projects",
    "ALTER TABLE inbox ADD PRIMARY KEY (id)",
    "ALTER TABLE inbox RENAME COLUMN a TO b",
    "-- harmless? \nUPDATE inbox SET a = ';' WHERE b",
    "TRUNCATE inbox",
    "ALTER TABLE inbox ADD COLUMN a bigserial",
    "ALTER TABLE inbox ADD COLUMN a serial8",
    "ALTER TABLE inbox ADD COLUMN a int CHECK (a > 0)",
    "ALTER TABLE inbox ADD COLUMN a some_domain",
    "ALTER TABLE inbox SET TABLESPACE slow",
    "ALTER TABLE inbox SET UNLOGGED",
    "ALTER TABLE inbox ATTACH PARTITION a FOR VALUES FROM (1) TO (2)",
    "ALTER TABLE inbox DISABLE ROW LEVEL SECURITY",
    "ALTER TABLE inbox ENABLE ROW LEVEL SECURITY",
    "DO $$ UPDATE inbox SET a = 1 $$",
    "DO $$ BEGIN UPDATE inbox SET a = 1; END $$",
    "DO LANGUAGE plpgsql $do$\nDECLARE a int; b text := 'BEGIN';\nBEGIN\n    -- harmless?\n    UPDATE inbox SET a = 1;\nEND $do$",
    "DO $$ BEGIN IF true THEN SELECT 1; ELSE DELETE FROM inbox; END IF; END $$",
    "DO $$ BEGIN FOR a IN SELECT 1 LOOP EXECUTE format('UPDATE %I', a); END LOOP; END $$",
    "DO 'BEGIN UPDATE inbox SET a = 1; END'",
    "VACUUM FULL inbox",
    "NOBODY KNOWS this",
]
HARMLESS = [
    "CREATE TABLE a (id int PRIMARY KEY, b text NOT NULL CHECK (b <> ';')); CREATE INDEX c ON a (b); ALTER TABLE a ADD d int NOT NULL",
    "ALTER TABLE inbox ADD COLUMN a timestamptz",
    "ALTER TABLE inbox ADD COLUMN a numeric(10, 2) NOT NULL DEFAULT 0, ADD b timestamptz DEFAULT now()",
    "ALTER TABLE inbox ADD COLUMN a double precision, ADD b text[] DEFAULT '{}', ADD c timestamp with time zone DEFAULT current_timestamp",
    "ALTER TABLE inbox ALTER a SET DEFAULT gen_random_uuid(), ALTER COLUMN b DROP NOT NULL, ALTER c SET STORAGE EXTERNAL",
    "ALTER TABLE inbox SET (fillfactor = 80)",
    "CREATE TABLE a (id int); ALTER TABLE a ENABLE ROW LEVEL SECURITY; ALTER TABLE a FORCE ROW LEVEL SECURITY",
    "DO $$ DECLARE a int; BEGIN IF NOT EXISTS (SELECT 1) THEN CREATE ROLE a; GRANT SELECT ON inbox TO a; END IF; END $$",
    "ALTER TABLE inbox ADD CONSTRAINT b CHECK (c > 0) NOT VALID; ALTER TABLE inbox VALIDATE CONSTRAINT b",
    "CREATE FUNCTION a() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE inbox SET b = 1; RETURN NULL; END $$",
]
CONTRACTS = ["DROP TABLE inbox", "ALTER TABLE inbox DROP COLUMN a", "DROP INDEX a", "ALTER TABLE inbox ALTER a DROP DEFAULT"]


def dangers(sql: str) -> list[str]:
    return [effect.danger for effect in effects_of(sql) if effect.danger]


def test_no_migration_is_a_danger_to_a_database_in_service() -> None:
    read = read_migrations(known_migrations())
    assert len(read) > 30
    assert {one.id: one.dangers for one in read if one.id >= SINCE and one.dangers} == {}


@pytest.mark.parametrize("sql", DANGEROUS)
def test_a_dangerous_statement_is_refused(sql: str) -> None:
    assert dangers(sql)


@pytest.mark.parametrize("sql", HARMLESS)
def test_a_harmless_one_is_not(sql: str) -> None:
    assert dangers(sql) == []
    assert {effect.kind for effect in effects_of(sql)} == {"expand"}


@pytest.mark.parametrize("sql", CONTRACTS)
def test_what_takes_something_away_is_known_as_that(sql: str) -> None:
    assert [effect.kind for effect in effects_of(sql)] == ["contract"]


def test_a_checked_column_may_be_declared_not_null() -> None:
    assert effects_of("ALTER TABLE inbox ALTER a SET NOT NULL", frozenset({("inbox", "a")}))[0].danger is None


@pytest.fixture
async def url(servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """A database with the first migration alone, and a folder for more."""
    name = f"check_{uuid4().hex[:12]}"
    admin = await asyncpg.connect(servers.database_url)
    await admin.execute(f"CREATE DATABASE {name}")
    for file in ("tidings_2026_11_23_core.py", "core.sql"):
        (tmp_path / file).write_text(Path(core.__file__).with_name(file).read_text())
    monkeypatch.setattr("tidings.platform.piccolo_app.APP_CONFIG.migrations_folder_path", str(tmp_path))
    url = urlunsplit(urlsplit(servers.database_url)._replace(path=f"/{name}"))
    assert len(await migrate(url, 2, new_epoch)) == 1
    yield url
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


def add_migration(folder: Path, sql: str, more: str = "") -> None:
    (folder / "tidings_2030_01_01_new.py").write_text(
        "from tidings.platform.migrations.script import script\n"
        "from tidings.platform.schema.indexes import Index\n"
        f'ID = "2030-01-01T00:00:00:000000"\nVERSION = "1.38.0"\nDESCRIPTION = "New"\nSQL = """{sql}"""\n{more}\n'
        "forwards = script(ID, DESCRIPTION, SQL)\n"
    )


async def test_a_migration_gives_up_rather_than_hold_up_publishing(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOCK_TIMEOUT", "100ms")
    add_migration(tmp_path, "ALTER TABLE projects ADD COLUMN a text;")
    reader = await asyncpg.connect(url)
    async with reader.transaction():
        await reader.execute("SELECT FROM projects")  # its lock lasts until the transaction ends
        with pytest.raises(asyncpg.LockNotAvailableError):
            await migrate(url, 2, new_epoch)
    await reader.close()

    (waiting,) = await pending(url)
    assert (waiting.kind, waiting.locks) == ("expand", ["projects: ACCESS EXCLUSIVE"])
    assert len(await migrate(url, 2, new_epoch)) == 1
    assert await pending(url) == []


async def test_indexes_are_built_beside_who_writes_and_once(url: str, tmp_path: Path) -> None:
    add_migration(
        tmp_path, "SELECT 1;", 'INDEXES = (Index("projects_new", "projects", "(name)"), Index("events_new", "events", "(project)"))'
    )
    writer, other = await asyncpg.connect(url), await asyncpg.connect(url)
    # What a build that was killed leaves.
    await other.execute("CREATE INDEX projects_new ON projects (key)")
    await other.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'projects_new'::regclass")
    transaction = writer.transaction()
    await transaction.start()
    await writer.execute("INSERT INTO projects (key, name, shard) VALUES ('prj_a', 'A', 0)")

    migrating = asyncio.gather(*(migrate(url, 2, new_epoch) for _ in range(2)))
    await until(lambda: is_building(other), 10, "the index waits for the open transaction")
    await other.execute("INSERT INTO projects (key, name, shard) VALUES ('prj_b', 'B', 0)", timeout=5)
    await transaction.commit()

    assert sorted(map(len, await asyncio.wait_for(migrating, 60))) == [0, 1]
    rows = await other.fetch("SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index WHERE indisvalid")
    built = {row[0]: row[1] for row in rows}
    assert built["projects_new"].endswith("(name)")
    # Of the table as a whole, which has partitions.
    assert "events_new" in built
    await writer.close()
    await other.close()


async def test_what_others_would_wait_behind_gives_up_also_of_an_index(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOCK_TIMEOUT", "100ms")
    add_migration(tmp_path, "SELECT 1;", 'INDEXES = (Index("events_new", "events", "(project)"),)')
    writer = await asyncpg.connect(url)
    async with writer.transaction():
        await writer.execute("LOCK TABLE events IN ROW EXCLUSIVE MODE")  # as an INSERT takes it
        # The index of the table as a whole, which PostgreSQL does not build beside who writes.
        with pytest.raises(asyncpg.LockNotAvailableError):
            await asyncio.wait_for(migrate(url, 2, new_epoch), 30)
    await writer.close()


async def is_building(connection: asyncpg.Connection) -> bool:
    return bool(
        await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ '^(CREATE|DROP) INDEX CON'"
        )
    )
