"""A drill: what a loss would cost is measured, on the living deployment, without harm to it.

Where the WAL is streamed: a table of the drill's own is made and dropped, and brought back on a copy as of the moment between. What a loss
would lose at any time (RPO) is how long the drop took to get into the store; how long Tidings would be away (RTO) is from the first byte
fetched to the first inbox served. Where it is not: the newest backup is restored, and what would be lost is all since it began.
"""

import asyncio
import time
from datetime import UTC, datetime
from typing import NamedTuple

import asyncpg

from tidings.backups.archive import Archive
from tidings.backups.drafts import Place
from tidings.backups.errors import BackupFailed, Missing
from tidings.backups.logical import ROLE
from tidings.backups.manifest import Manifest, manifests
from tidings.backups.recovery import THE_END, Moment, choose
from tidings.backups.restore import Opened
from tidings.backups.segments import position_of
from tidings.backups.verify import proven
from tidings.backups.work import Result, Work
from tidings.platform.postgres import POSTGRES_AWAY, Connection

TABLE = "tidings_drill"
DROP = f"DROP TABLE IF EXISTS {TABLE}"
# One transaction: of a table that it may not read every backup fails, and whoever is killed here leaves one.
MAKE = f"{DROP}; CREATE TABLE {TABLE} AS SELECT generate_series(1, 100) AS number; GRANT SELECT ON {TABLE} TO {ROLE}"
BEFORE_S = 1.0
COVERED_WITHIN_S = 120.0
LOOK_S = 0.05


class Dropped(NamedTuple):
    """moment: a second before the drop.   rows: what was there then.   rpo_s: until the drop was in the store."""

    moment: datetime
    rows: int
    rpo_s: float


async def drill(work: Work) -> Result:
    """Raises BackupFailed: then a loss would cost more than was thought."""
    known = [one async for one in manifests(work.place.store, work.place.keys) if isinstance(one, Manifest)]
    base = await streamed_base(work.place, known)
    if base is None:
        return await restored_newest(work, known)
    try:
        return await point_in_time(work, base)
    except POSTGRES_AWAY as error:
        raise BackupFailed(f"PostgreSQL failed during the drill: {error or type(error).__name__}") from error


async def streamed_base(place: Place, known: list[Manifest]) -> Manifest | None:
    """The newest base backup, if the WAL after it comes into the store."""
    try:
        base = choose([one for one in known if one.state != "failed"], THE_END)
    except Missing:
        return None
    covered = await archive_of(place, base).covered()
    return base if covered is not None and covered.is_of_late(datetime.now(UTC)) else None


def archive_of(place: Place, base: Manifest) -> Archive:
    assert base.wal is not None
    return Archive(place, base.origin.server, base.wal.segment_bytes)


async def restored_newest(work: Work, known: list[Manifest]) -> Result:
    if not known:
        raise Missing("There is no backup in the store.")
    manifest = max(known, key=lambda one: one.made_at)
    work.run.backup = manifest.id
    rpo_s = (datetime.now(UTC) - manifest.began_at).total_seconds()
    result = await proven(work, manifest, THE_END)
    return {"drill": "restore", "rpo_s": round(rpo_s, 2), "rto_s": result["restore_seconds"], **result}


async def point_in_time(work: Work, base: Manifest) -> Result:
    work.run.backup = base.id
    work.tell("dropping a table")
    assert work.settings.database_url is not None
    connection = await asyncpg.connect(work.settings.database_url, timeout=10, server_settings={"application_name": "tidings drill"})
    try:
        dropped = await drop_a_table(connection, archive_of(work.place, base))
    finally:
        connection.terminate()

    async def is_back(opened: Opened) -> None:
        there = await rows_in(opened.superuser_url)
        if there != dropped.rows:
            raise BackupFailed(f"The table dropped in the drill has {there} rows on the copy as of {dropped.moment}, not {dropped.rows}.")

    result = await proven(work, base, Moment(time=dropped.moment), is_back)
    return {"drill": "point_in_time", "rpo_s": round(dropped.rpo_s, 2), "rto_s": result["restore_seconds"], **result}


async def drop_a_table(connection: Connection, archive: Archive) -> Dropped:
    """Raises BackupFailed when the store does not get to know of it."""
    try:
        await connection.execute(MAKE)
        moment = await connection.fetchval("SELECT clock_timestamp()")
        await asyncio.sleep(BEFORE_S)
    finally:
        await connection.execute(DROP)
    dropped_at = time.monotonic()
    position = await connection.fetchval("SELECT pg_current_wal_flush_lsn()::text")
    await until_covered(archive, position, dropped_at + COVERED_WITHIN_S)
    return Dropped(moment, 100, time.monotonic() - dropped_at)


async def until_covered(archive: Archive, position: str, end: float) -> None:
    while time.monotonic() < end:
        covered = await archive.covered()
        if covered is not None and position_of(covered.position) >= position_of(position):
            return
        await asyncio.sleep(LOOK_S)
    raise BackupFailed(f"The WAL up to {position} was not in the store within {COVERED_WITHIN_S:.0f} s.")


async def rows_in(url: str) -> int | None:
    """None when the table is not there."""
    connection = await asyncpg.connect(url, timeout=10)
    try:
        if await connection.fetchval("SELECT to_regclass($1)", TABLE) is None:
            return None
        rows: int = await connection.fetchval(f"SELECT count(*) FROM {TABLE}")
        return rows
    finally:
        connection.terminate()
