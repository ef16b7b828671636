"""Logical backups, of a database that is written to while they are made."""

import asyncio
from pathlib import Path

import pytest
from own_database import execute

from backups.ground import Backups, Ground, rows_of
from tidings.access.projects import create_project
from tidings.backups.artefacts import read_artefact
from tidings.backups.programs import embedded, login
from tidings.events.cursor import new_epoch
from tidings.platform.migrate import migrate
from tidings.platform.secrets import load_secret
from tidings.settings import Settings


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:se%2Fcret@db1,db2:5433/t?sslmode=require", "postgresql://me@db1,db2:5433/t?sslmode=require"),
        ("postgresql://db/t?user=me&password=se%2Fcret&sslmode=require", "postgresql://db/t?user=me&sslmode=require"),
        ("postgresql://me:another@db/t?password=se%2Fcret", "postgresql://me@db/t"),
    ],
)
def test_a_password_is_in_no_program_s_arguments(url: str, shown: str) -> None:
    target, environment = login(url)
    assert (target, environment["PGPASSWORD"]) == (shown, "se/cret")


async def test_a_dump_restores_to_what_its_manifest_says_while_others_write(backups: Backups, ground: Ground, tmp_path: Path) -> None:
    load_secret(Settings(state_dir=tmp_path))
    await create_project(ground.database, "before", 2)
    writing = asyncio.create_task(write_on(ground))
    try:
        manifest = await backups.good()
    finally:
        writing.cancel()
    dump = tmp_path / "dump"
    with dump.open("wb") as file:
        async for piece in read_artefact(backups.place.store, backups.place.keys, manifest.id, manifest.artefact("dump")):
            file.write(piece)
    restored = await restored_rows(ground, dump)
    assert restored == manifest.content.rows
    assert restored["projects"] > 0


async def write_on(ground: Ground) -> None:
    while True:
        await create_project(ground.database, "written", 2)


async def restored_rows(ground: Ground, dump: Path) -> dict[str, int]:
    url = ground.url.rsplit("/", 1)[0] + "/restored"
    await execute(ground.servers, "CREATE DATABASE restored")
    try:
        process = await asyncio.create_subprocess_exec(str(embedded("pg_restore")), "--exit-on-error", f"--dbname={url}", str(dump))
        assert await process.wait() == 0
        return await rows_of(url)
    finally:
        await execute(ground.servers, "DROP DATABASE restored WITH (FORCE)")


async def test_what_a_later_migration_makes_is_read_without_its_saying_so(in_folder: Backups, ground: Ground) -> None:
    await ground.execute("CREATE TABLE later (id bigint GENERATED ALWAYS AS IDENTITY)")
    try:
        refused = await in_folder.run("logical")
        assert refused.state == "failed" and "permission denied for table later" in (refused.reason or "")
        await migrate(ground.url, 2, new_epoch)
        assert (await in_folder.good()).content.rows["later"] == 0
    finally:
        await ground.execute("DROP TABLE later")
