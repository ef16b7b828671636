"""A base backup: what pg_basebackup copies of a running cluster, as one tar, with the WAL that it needs to be consistent.

That tar alone can be restored; with the WAL in the store (`streaming.py`) to any moment after it. What its manifest counts is of the moment
before it began: what only grows is not less in what is restored.
"""

import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime

import asyncpg

from tidings.backups.archive import refuse_beside_another
from tidings.backups.drafts import Draft
from tidings.backups.errors import BackupFailed, Damaged
from tidings.backups.logical import ROLE, result_of
from tidings.backups.manifest import Content, Manifest, Origin, Wal
from tidings.backups.observed import content_of, origin_of
from tidings.backups.programs import login, output, program
from tidings.backups.segments import position_of, segment_at
from tidings.backups.slot import look_at_server
from tidings.backups.streaming import replication_url
from tidings.backups.work import Result, Work
from tidings.platform.postgres import POSTGRES_AWAY

ARTEFACT = "base"
ARGUMENTS = ("--pgdata=-", "--format=tar", "--wal-method=fetch", "--checkpoint=fast", "--no-password")
# The tar ends with PostgreSQL's own manifest, and that with the WAL which the backup needs.
TAIL_BYTES = 64 * 1024
RANGE = re.compile(rb'"WAL-Ranges": \[\s*\{ "Timeline": (\d+), "Start-LSN": "([0-9A-F/]+)", "End-LSN": "([0-9A-F/]+)" \}\s*\]')
CLUSTER = """
SELECT (SELECT rolname FROM pg_roles WHERE oid = 10) AS superuser, current_database() AS database,
    (SELECT tableowner FROM pg_tables WHERE schemaname = 'public' AND tablename = 'projects') AS owner"""


async def make_physical(work: Work) -> Result:
    """Raises BackupFailed."""
    work.run.backup = work.run.id
    try:
        return result_of(await copied(work))
    except POSTGRES_AWAY as error:
        raise BackupFailed(f"PostgreSQL failed while the backup was made: {error or type(error).__name__}") from error


async def copied(work: Work) -> Manifest:
    begun = datetime.now(UTC)
    work.tell("looking")
    origin, content, cluster = await seen_before(work)
    await refuse_beside_another(work.place, origin.server, origin.timeline)
    async with Draft(work.place, work.run.id, "physical", begun, lambda plain, sent: work.tell("copying", plain, sent)) as draft:
        pg_basebackup = await program(work.settings, "pg_basebackup", int(origin.postgres.split(".")[0]))
        target, environment = login(replication_url(work.settings))
        tail = Tail()
        arguments = (*ARGUMENTS, f"--label={work.run.id}", f"--dbname={target}")
        async with aclosing(output(pg_basebackup, *arguments, environment=environment)) as tar:
            await draft.add(ARTEFACT, tail.passing(tar))
        connection = await asyncpg.connect(replication_url(work.settings), timeout=10)
        try:
            size = (await look_at_server(connection)).segment_bytes
        finally:
            connection.terminate()
        work.tell("uploading", draft.sealed, draft.uploads.sent)
        return await draft.finish(origin, content, datetime.now(UTC), wal_of(bytes(tail.end), size, cluster))


async def seen_before(work: Work) -> tuple[Origin, Content, dict[str, str]]:
    url = work.settings.database_url
    assert url is not None
    connection = await asyncpg.connect(url, timeout=10, server_settings={"role": ROLE, "application_name": "tidings backup"})
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return await origin_of(connection), await content_of(connection), dict(await connection.fetchrow(CLUSTER))
    finally:
        connection.terminate()


class Tail:
    """The end of what passes."""

    def __init__(self) -> None:
        self.end = bytearray()

    async def passing(self, source: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for some in source:
            self.end += some[-TAIL_BYTES:]
            del self.end[:-TAIL_BYTES]
            yield some


def wal_of(tail: bytes, size: int, cluster: dict[str, str]) -> Wal:
    """size: bytes of a segment.   cluster: its superuser and the like.

    Raises Damaged when PostgreSQL did not say what the backup needs, as when it was cut off.
    """
    found = RANGE.search(tail)
    if found is None:
        raise Damaged("What pg_basebackup wrote does not end with a manifest that names its WAL.")
    timeline, start, end = int(found[1]), found[2].decode(), found[3].decode()
    # Up to `end`, not with it: a backup may end where a segment does.
    first, last = segment_at(timeline, position_of(start), size), segment_at(timeline, position_of(end) - 1, size)
    return Wal(start=start, end=end, first=first, last=last, segment_bytes=size, **cluster)
