"""A restored database made ready, before anybody reaches it.

It is of an earlier moment, and the world went on: people have seen what it does not know, receivers have got what it still means to send,
keys were revoked and people erased. So it is brought to this version's schema; the journal is made true again; every shard gets a new
epoch, so that clients are told to read their inbox; and what was on its way to somewhere else is held for a person to decide.
"""

import msgspec

from tidings.backups.drafts import Place
from tidings.backups.journal import Kind
from tidings.backups.recovery import Tell
from tidings.backups.replaying import replay_journal
from tidings.deliveries.ledger.expansion import expand_next
from tidings.deliveries.ledger.plan import plan_next
from tidings.deliveries.ledger.review import hold_everything
from tidings.deliveries.ledger.wanted import Wishes
from tidings.events.cursor import new_epoch
from tidings.events.lease import give_up_lease, renew_epoch, take_lease
from tidings.events.sequence import sequence
from tidings.platform.migrate import migrate
from tidings.platform.postgres import Connection, open_database
from tidings.settings import Settings

HOLDER, LEASE_S, BATCH = "restore", 600.0, 1000
# Whoever led then leads no more.
NOBODY_LEADS = "UPDATE shards SET lease_until = NULL, holder = NULL, holder_pid = NULL"


class Ready(msgspec.Struct, frozen=True):
    """migrated: migrations that ran.   epochs: by shard.   replayed: of the journal, by kind.   held: deliveries for review."""

    migrated: list[str]
    epochs: dict[int, str]
    replayed: dict[Kind, int]
    held: int


async def make_ready(settings: Settings, place: Place, url: str, tell: Tell) -> Ready:
    """url: of the owner. Can be done again when it was cut off. Raises BackupFailed."""
    tell("making ready", 0, 0)
    migrated = await migrate(url, settings.shards, new_epoch)
    database = await open_database(url, tenant_size=2, system_size=2, name="tidings restore")
    try:
        replayed = await replay_journal(place, database)
        async with database.system.acquire() as connection:
            await connection.execute(NOBODY_LEADS)
            shards = [row[0] for row in await connection.fetch("SELECT shard FROM shards ORDER BY shard")]
            epochs = {shard: await renewed(connection, shard) for shard in shards}
            for shard in shards:
                await plan_all(connection, shard)
            while await expand_next(connection):
                pass
            held = await hold_everything(connection)
    finally:
        await database.close()
    return Ready(migrated, epochs, dict(replayed), held)


async def renewed(connection: Connection, shard: int) -> str:
    """Its new epoch; all that waited for a position has one."""
    before = await connection.fetchval("SELECT epoch FROM shards WHERE shard = $1", shard)
    lease = await take_lease(connection, shard, HOLDER, LEASE_S)
    assert lease is not None, "nobody else is here"
    if lease.epoch == before:
        # A dump that was loaded beside the living database is on the same cluster and timeline.
        lease = await renew_epoch(connection, lease, "the database was restored")
    while await sequence(connection, shard, lease.term, BATCH):
        pass
    await give_up_lease(connection, lease)
    return lease.epoch


async def plan_all(connection: Connection, shard: int) -> None:
    wishes = Wishes()
    while not (await plan_next(connection, shard, wishes)).is_all:
        pass
