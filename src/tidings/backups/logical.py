"""A logical backup: pg_dump's custom format, as tidings_backup, of one snapshot that the manifest's figures are of too."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime

import asyncpg

from tidings.backups.archive import refuse_beside_another
from tidings.backups.drafts import Draft
from tidings.backups.errors import BackupFailed, ProgramFailed
from tidings.backups.manifest import Manifest
from tidings.backups.observed import content_of, origin_of
from tidings.backups.programs import login, output, program
from tidings.backups.work import Result, Work
from tidings.platform.ending import end_tasks
from tidings.platform.postgres import POSTGRES_AWAY, Connection

ARTEFACT = "dump"
ROLE = "tidings_backup"
# Compressed by us: the same zstd, but in one stream over all tables. Whoever holds a table for longer than a minute is not waited for.
ARGUMENTS = ("--format=custom", "--compress=none", f"--role={ROLE}", "--no-password", "--lock-wait-timeout=60s")


async def make_logical(work: Work) -> Result:
    """Raises BackupFailed."""
    work.run.backup = work.run.id
    try:
        manifest = await dumped(work)
    except POSTGRES_AWAY as error:
        raise BackupFailed(f"PostgreSQL failed while the backup was made: {error or type(error).__name__}") from error
    return result_of(manifest)


async def dumped(work: Work) -> Manifest:
    url, begun = work.settings.database_url, datetime.now(UTC)
    assert url is not None
    work.tell("dumping")
    async with Draft(work.place, work.run.id, "logical", begun, lambda plain, sent: work.tell("dumping", plain, sent)) as draft:
        async with snapshot(url) as (connection, name):
            origin = await origin_of(connection)
            await refuse_beside_another(work.place, origin.server, origin.timeline)
            pg_dump = await program(work.settings, "pg_dump", int(origin.postgres.split(".")[0]))
            counting = asyncio.create_task(content_of(connection))
            try:
                target, environment = login(url)
                arguments = (*ARGUMENTS, f"--snapshot={name}", f"--dbname={target}")
                async with aclosing(output(pg_dump, *arguments, environment=environment)) as dump:
                    await draft.add(ARTEFACT, dump)
                content = await counting
            except ProgramFailed:
                if counting.done():
                    # What ended its transaction took the snapshot away, and pg_dump knows only that it is gone.
                    counting.result()
                raise
            finally:
                await end_tasks([counting])
        work.tell("uploading", draft.sealed, draft.uploads.sent)
        return await draft.finish(origin, content, datetime.now(UTC))


@asynccontextmanager
async def snapshot(url: str) -> AsyncIterator[tuple[Connection, str]]:
    """A connection that sees one moment for as long as this lasts, and the name by which another sees the same."""
    settings = {"role": ROLE, "application_name": "tidings backup", "idle_in_transaction_session_timeout": "0", "statement_timeout": "0"}
    try:
        connection = await asyncpg.connect(url, timeout=10, server_settings=settings)
    except asyncpg.InsufficientPrivilegeError as error:
        raise ProgramFailed(f"TIDINGS_DATABASE_URL's login may not act as {ROLE}: {error}.") from error
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            yield connection, await connection.fetchval("SELECT pg_export_snapshot()")
    finally:
        connection.terminate()


def result_of(manifest: Manifest) -> Result:
    return {
        "bytes": manifest.size,
        "plain_bytes": sum(artefact.plain_size for artefact in manifest.artefacts),
        "rows": sum(manifest.content.rows.values()),
        "seconds": round((manifest.made_at - manifest.began_at).total_seconds(), 3),
    }
