"""A dump on its way out of the store into an empty database."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path

import asyncpg

from tidings.backups.artefacts import read_artefact
from tidings.backups.drafts import Place
from tidings.backups.errors import ProgramFailed
from tidings.backups.logical import ARTEFACT
from tidings.backups.manifest import Manifest
from tidings.backups.programs import login, program
from tidings.backups.unpacking import counted, feed, give_to_runner
from tidings.errors import Misconfigured
from tidings.platform.postgres import Connection
from tidings.settings import Settings

TABLES = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
# A dump names roles and does not make them. As the first migration does.
ROLES = """
DO $$
DECLARE wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['tidings_api', 'tidings_worker', 'tidings_backup'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
        END IF;
        IF NOT pg_has_role(current_user, wanted, 'MEMBER') OR NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
            EXECUTE format('GRANT %I TO %I', wanted, current_user);
        END IF;
    END LOOP;
    BEGIN
        ALTER ROLE tidings_backup BYPASSRLS;
    EXCEPTION WHEN insufficient_privilege THEN
        RAISE WARNING 'tidings_backup could not be given BYPASSRLS: a superuser must run ALTER ROLE tidings_backup BYPASSRLS';
    END;
END $$;
"""
HEAD_BYTES = 4 * 1024 * 1024


async def load(settings: Settings, place: Place, manifest: Manifest, url: str, tell: Callable[[int], None]) -> None:
    """All of it or nothing. Raises Misconfigured when the database is not empty; BackupFailed.

    url: of whoever will own it.   tell: told how many bytes were read.
    """
    connection = await asyncpg.connect(url, timeout=10)
    try:
        await refuse_unless_empty(connection)
        await connection.execute(ROLES)
        major = max(connection.get_server_version().major, int(manifest.origin.postgres.split(".")[0]))
        pg_restore = await program(settings, "pg_restore", major)
        await restore_with(pg_restore, place, manifest, url, tell)
        # A dump brings no statistics along; without them the first plans would be bad ones.
        await connection.execute("ANALYZE", timeout=None)
    finally:
        connection.terminate()


async def refuse_unless_empty(connection: Connection) -> None:
    tables = await connection.fetchval(TABLES)
    if tables:
        raise Misconfigured(f"The database to restore into is not empty: it has {tables} tables. Name one that is; nothing was changed.")


async def restore_with(pg_restore: Path, place: Place, manifest: Manifest, url: str, tell: Callable[[int], None]) -> None:
    target, environment = login(url)
    with tempfile.NamedTemporaryFile("w", prefix="tidings-", suffix=".list") as contents:
        contents.write(await wanted(pg_restore, place, manifest))
        contents.flush()
        give_to_runner(Path(contents.name))
        arguments = ("--single-transaction", "--exit-on-error", "--no-owner", f"--use-list={contents.name}", f"--dbname={target}")
        async with aclosing(counted(dump_of(place, manifest), tell)) as source:
            await feed(source, str(pg_restore), *arguments, environment=environment)


def dump_of(place: Place, manifest: Manifest) -> AsyncIterator[bytes]:
    return read_artefact(place.store, place.keys, manifest.id, manifest.artefact(ARTEFACT))


async def wanted(pg_restore: Path, place: Place, manifest: Manifest) -> str:
    """What the dump says it contains, which stands at its beginning; without default privileges, which name who owned that database."""
    head = bytearray()
    async with aclosing(dump_of(place, manifest)) as source:  # type: ignore[type-var]
        async for some in source:
            head += some
            if len(head) >= HEAD_BYTES:
                break
    process = await asyncio.create_subprocess_exec(
        *(str(pg_restore), "--list"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    listed, said = await process.communicate(bytes(head))
    if process.returncode != 0:
        raise ProgramFailed(f"pg_restore cannot read what {manifest.id} contains: {said.decode(errors='replace').strip()[-500:]}")
    return "".join(line + "\n" for line in listed.decode().splitlines() if " DEFAULT ACL " not in line)
