"""Who may move a shard's outbox into its log: the holder of its lease, for one term.

Every take raises the term, and the statement that moves events asks for the term it was given, so that a leader that was stopped
and goes on later writes nothing: its term has passed. Times are PostgreSQL's, so that no clock of ours matters.
"""

import asyncpg
import msgspec
from loguru import logger

from tidings.events.cursor import new_epoch
from tidings.platform.postgres import Connection


class Lease(msgspec.Struct, frozen=True):
    """Leadership of a shard. head: the last position when it was taken."""

    shard: int
    term: int
    epoch: str
    head: int


FREE = "SELECT holder_pid, holder FROM shards WHERE shard = $1 AND (lease_until IS NULL OR lease_until < clock_timestamp() OR holder = $2)"

TAKE = """
UPDATE shards SET term = term + 1, holder = $2, holder_pid = pg_backend_pid(), lease_until = clock_timestamp() + $3 * interval '1 second'
WHERE shard = $1 AND (lease_until IS NULL OR lease_until < clock_timestamp() OR holder = $2)
RETURNING term, epoch, head, system_identifier, timeline
"""

RENEW = "UPDATE shards SET lease_until = clock_timestamp() + $3 * interval '1 second' WHERE shard = $1 AND term = $2 RETURNING epoch"

RENEW_EPOCH = """
UPDATE shards SET epoch = $3, system_identifier = $4, timeline = $5 WHERE shard = $1 AND term = $2
"""

# The timeline that is written now. The control file tells the last checkpoint's: on a promoted replica the old one, as long as its first
# checkpoint takes, which is spread over minutes; whoever led meanwhile kept the epoch.
HISTORY = """
SELECT system_identifier, ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int AS timeline FROM pg_control_system()
"""


async def take_lease(connection: Connection, shard: int, holder: str, lease_s: float) -> Lease | None:
    """Take the shard if nobody leads it, with a new epoch if PostgreSQL's history is no longer the one the old epoch belonged to."""
    free = await connection.fetchrow(FREE, shard, holder)
    if free is None:
        return None
    row = await raise_term(connection, shard, holder, lease_s, free["holder_pid"])
    if row is None:
        return None
    history = await history_of(connection)
    lease = Lease(shard, row["term"], row["epoch"], row["head"])
    if (row["system_identifier"], row["timeline"]) == history:
        return lease
    if row["system_identifier"] is None:
        await connection.execute(RENEW_EPOCH, shard, lease.term, lease.epoch, *history)
        return lease
    return await renew_epoch(connection, lease, "PostgreSQL's system identifier or timeline changed")


async def raise_term(connection: Connection, shard: int, holder: str, lease_s: float, old_backend: int | None) -> asyncpg.Record | None:
    """Wait for the old leader's statement, but not for ever: one stopped while reading its answer would keep its row lock."""
    try:
        async with connection.transaction():
            await connection.execute("SET LOCAL lock_timeout = '300ms'")
            return await connection.fetchrow(TAKE, shard, holder, lease_s)
    except asyncpg.LockNotAvailableError:
        await connection.execute("SELECT tidings_end_sequencer($1)", old_backend)
        return None


async def renew_lease(connection: Connection, lease: Lease, lease_s: float) -> bool:
    """False when the term has passed: somebody else leads."""
    return await connection.fetchval(RENEW, lease.shard, lease.term, lease_s) is not None


async def give_up_lease(connection: Connection, lease: Lease) -> None:
    """Let a successor take over at once instead of after the lease."""
    await connection.execute("UPDATE shards SET lease_until = NULL WHERE shard = $1 AND term = $2", lease.shard, lease.term)


async def renew_epoch(connection: Connection, lease: Lease, reason: str) -> Lease:
    """Start a new history: cursors of the old one get a `reset`."""
    epoch = new_epoch()
    await connection.execute(RENEW_EPOCH, lease.shard, lease.term, epoch, *await history_of(connection))
    logger.warning("shard {}: new epoch {} in place of {}, because {}", lease.shard, epoch, lease.epoch, reason)
    return Lease(lease.shard, lease.term, epoch, lease.head)


async def history_of(connection: Connection) -> tuple[int | None, int | None]:
    """Which cluster and timeline this is: a promoted replica has another timeline, a restored cluster too."""
    try:
        row = await connection.fetchrow(HISTORY)
    except asyncpg.InsufficientPrivilegeError:  # some managed services hide the control file
        return 0, 0
    return row["system_identifier"], row["timeline"]
