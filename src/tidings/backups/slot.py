"""The replication slot by which the server keeps the WAL that is not in the store yet.

It is ours, and no program's: it is moved on only to what the store holds, so that neither a spool that is lost nor a worker that is away
makes a gap. The other side of that: the server keeps WAL as long as nobody comes. `max_slot_wal_keep_size` bounds it; what is beyond is
lost to the slot, and a new one begins with a new base backup.
"""

import asyncpg
import msgspec

from tidings.backups.errors import BackupFailed
from tidings.platform.postgres import Connection

NAME = "tidings_backups"
# Any number, the same in every version: of several workers one streams.
STREAMING_LOCK = 7_216_044_913

FIND = """
SELECT restart_lsn::text AS restart, wal_status, coalesce(safe_wal_size, -1) AS room FROM pg_replication_slots WHERE slot_name = $1
"""
CREATE = "SELECT pg_create_physical_replication_slot($1, true)"
DROP = "SELECT pg_drop_replication_slot($1)"
ADVANCE = "SELECT pg_replication_slot_advance($1, $2::text::pg_lsn)"
SERVER = """
SELECT system_identifier::text AS server, ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int AS timeline,
    (SELECT setting::int FROM pg_settings WHERE name = 'wal_segment_size') AS segment_bytes,
    current_setting('max_slot_wal_keep_size') AS keeps
FROM pg_control_system()
"""


class Server(msgspec.Struct, frozen=True):
    """The cluster as its WAL shows it. server: its system identifier.   keeps: max_slot_wal_keep_size, "-1" for no bound."""

    server: str
    timeline: int
    segment_bytes: int
    keeps: str


class Slot(msgspec.Struct, frozen=True):
    """restart: up to where the store has it.   room: bytes that may be written until the slot is lost; -1: no bound.   is_new: made now."""

    restart: str
    room: int
    is_new: bool


async def look_at_server(connection: Connection) -> Server:
    """Raises BackupFailed when the login may not."""
    try:
        return Server(**await connection.fetchrow(SERVER))
    except asyncpg.InsufficientPrivilegeError as error:
        raise BackupFailed(f"The login of the backups may not look at the server ({error}): GRANT pg_monitor TO it.") from error


async def ensure_slot(connection: Connection) -> Slot:
    """The slot; made when there is none, and made anew when the server had to give it up. Raises BackupFailed when the login may not."""
    row = await connection.fetchrow(FIND, NAME)
    if row is not None and row["wal_status"] != "lost" and row["restart"] is not None:
        return Slot(row["restart"], row["room"], False)
    try:
        if row is not None:
            await connection.execute(DROP, NAME)
        await connection.execute(CREATE, NAME)
    except asyncpg.InsufficientPrivilegeError as error:
        raise BackupFailed(
            "The login of the backups may not stream the WAL: ALTER ROLE … REPLICATION, or set TIDINGS_BACKUP_DATABASE_URL."
        ) from error
    except asyncpg.PostgresError as error:
        raise BackupFailed(f"The replication slot {NAME} cannot be made: {error}.") from error
    row = await connection.fetchrow(FIND, NAME)
    return Slot(row["restart"], row["room"], True)


async def drop_slot(connection: Connection) -> None:
    """What is not there is no error."""
    if await connection.fetchrow(FIND, NAME) is not None:
        await connection.execute(DROP, NAME)


async def move_on(connection: Connection, position: str) -> None:
    """Let the server forget what lies before. position: what the store holds."""
    await connection.execute(ADVANCE, NAME, position)
