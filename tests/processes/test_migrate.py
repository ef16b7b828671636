"""Migrations on a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest
from running import Servers

from tidings.errors import Misconfigured
from tidings.events.cursor import new_epoch
from tidings.platform import migrate as module
from tidings.platform.migrate import migrate
from tidings.platform.migrations import tidings_2026_11_23_core as core

ALL = list(Path(core.__file__).parent.glob("tidings_*.py"))


@pytest.fixture
async def url(servers: Servers) -> AsyncIterator[str]:
    """Of an empty database."""
    name = f"empty_{uuid4().hex[:12]}"
    admin = await asyncpg.connect(servers.database_url)
    await admin.execute(f"CREATE DATABASE {name}")
    yield urlunsplit(urlsplit(servers.database_url)._replace(path=f"/{name}"))
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


async def tables_of(url: str) -> set[str]:
    connection = await asyncpg.connect(url)
    try:
        return {row[0] for row in await connection.fetch("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace")}
    finally:
        await connection.close()


async def test_two_starts_at_once_migrate_once(url: str) -> None:
    ran = await asyncio.gather(*(migrate(url, 3, new_epoch) for _ in range(4)))
    assert sorted(map(len, ran)) == [0, 0, 0, len(ALL)]


async def test_more_shards_are_added_and_none_is_changed(url: str) -> None:
    await migrate(url, 2, new_epoch)
    connection = await asyncpg.connect(url)
    before = await connection.fetch("SELECT shard, epoch FROM shards ORDER BY shard")
    await migrate(url, 4, new_epoch)
    await migrate(url, 1, new_epoch)
    after = await connection.fetch("SELECT shard, epoch FROM shards ORDER BY shard")
    await connection.close()
    assert after[:2] == before
    assert [row["shard"] for row in after] == [0, 1, 2, 3]


async def test_half_run_migration_leaves_nothing(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only_core(tmp_path, monkeypatch, "broken_core.py", "\nSELECT 1 / 0;\n")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(url, 2, new_epoch)
    assert await tables_of(url) == set()

    monkeypatch.undo()
    assert len(await migrate(url, 2, new_epoch)) == len(ALL)
    assert {"notifications", "shards"} <= await tables_of(url)


async def test_a_database_of_the_first_schema_comes_along(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only_core(tmp_path, monkeypatch, "tidings_2026_11_23_core.py")
    assert len(await migrate(url, 2, new_epoch)) == 1
    connection = await asyncpg.connect(url)
    await connection.execute("SET role tidings_worker")
    await connection.execute("INSERT INTO projects (key, name, shard) VALUES ('prj_x', 'X', 0)")
    await connection.execute(
        "INSERT INTO subscribers (project, external_id, email, created_by) VALUES (1, 'alice', 'Alice@Example.org', 'x')"
    )

    monkeypatch.undo()
    assert len(await migrate(url, 2, new_epoch)) == len(ALL) - 1
    assert await connection.fetchval("SELECT email_key FROM subscribers") == "alice@example.org"
    # As a process of the version before deletes her.
    await connection.execute("UPDATE subscribers SET deleted_at = now()")
    assert await connection.fetchval("SELECT people_deleted FROM projects") == 1
    await connection.close()


def only_core(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, more: str = "") -> None:
    """A folder with the first migration alone, and more SQL at its end."""
    (folder / name).write_text(Path(core.__file__).read_text())
    (folder / "core.sql").write_text(Path(core.__file__).with_name("core.sql").read_text() + more)
    monkeypatch.setattr("tidings.platform.piccolo_app.APP_CONFIG.migrations_folder_path", str(folder))


async def test_too_old_a_server_and_a_wrong_password_are_wrong_settings(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Misconfigured, match="TIDINGS_DATABASE_URL"):
        await migrate(servers.database_url.replace("tidings:", "tidings:wrong"), 2, new_epoch)
    monkeypatch.setattr(module, "OLDEST_POSTGRES", 99)
    with pytest.raises(Misconfigured, match="99 or later"):
        await migrate(servers.database_url, 2, new_epoch)
