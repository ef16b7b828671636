"""Reading the log by position, from PostgreSQL."""

from typing import NamedTuple

from tidings.events.entry import LogEvent
from tidings.platform.postgres import Connection

COLUMNS = """position, project, type, notification::text, recipients, topics, everyone, data::text, internal::text, actor,
    accepted_at, created_at, trace"""

READ_AFTER = f"SELECT {COLUMNS} FROM events WHERE shard = $1 AND position > $2 AND position <= $3 ORDER BY position LIMIT $4"

NEWEST = 2**62


class Head(NamedTuple):
    """Where a shard's log ends."""

    epoch: str
    position: int


async def read_after(connection: Connection, shard: int, position: int, limit: int, up_to: int = NEWEST) -> list[LogEvent]:
    """Events after a position, in order; on a tenant's connection only that tenant's."""
    return [LogEvent(*row) for row in await connection.fetch(READ_AFTER, shard, position, up_to, limit)]


async def heads(connection: Connection) -> dict[int, Head]:
    """The end of every shard's log."""
    rows = await connection.fetch("SELECT shard, epoch, head FROM shards")
    return {row["shard"]: Head(row["epoch"], row["head"]) for row in rows}


async def oldest_position(connection: Connection, shard: int) -> int:
    """The first position that the log still has; 0 when it is empty."""
    return await connection.fetchval("SELECT position FROM events WHERE shard = $1 ORDER BY position LIMIT 1", shard) or 0
