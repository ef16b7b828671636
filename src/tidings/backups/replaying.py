"""The journal made true again in a restored database, by the functions that made it true the first time."""

from collections import Counter
from collections.abc import Sequence

from tidings.access.keys import revoke_key
from tidings.access.principals import KeyHolder, Tenant
from tidings.access.public_keys import revoke_public_key
from tidings.access.revocation import revoke_tokens
from tidings.backups.drafts import Place
from tidings.backups.journal import Entry, Kind, read_journal
from tidings.errors import NotFound
from tidings.platform.postgres import Connection, Database, tenant_transaction
from tidings.recipients.subscribers import delete_subscriber

PROJECTS = "SELECT id, key, shard FROM projects"
# Whoever was made after it is somebody else.
PERSON = """
SELECT external_id FROM subscribers
WHERE project = $1 AND id = $2 AND created_at <= $3 AND deleted_at IS NULL AND coalesce(tokens_valid_after < $4, true)
"""
END_KEY = "UPDATE api_keys SET expires_at = $3 WHERE project = $1 AND key = $2 AND coalesce(expires_at > $3, true) RETURNING id"


class Restorer(KeyHolder, frozen=True):
    """Who does it, in the log."""

    @property
    def actor(self) -> str:
        return "system:restore"


async def replay_journal(place: Place, database: Database) -> Counter[Kind]:
    """What it changed, by kind. Raises BackupFailed when the journal cannot be read."""
    holders = {row["id"]: holder_of(Tenant(*row)) for row in await database.system.fetch(PROJECTS)}
    done = Counter[Kind]()
    async for entries in read_journal(place):
        done += await replay(database, holders, entries)
    return done


def holder_of(tenant: Tenant) -> Restorer:
    return Restorer(tenant, "restore", frozenset({"*"}))


async def replay(database: Database, holders: dict[int, Restorer], entries: Sequence[Entry]) -> Counter[Kind]:
    done = Counter[Kind]()
    for entry in entries:
        holder = holders.get(entry.project)
        if holder is None:
            continue
        async with tenant_transaction(database, entry.project) as connection:
            done[entry.kind] += await replay_one(connection, holder, entry)
    return done


async def replay_one(connection: Connection, holder: Restorer, entry: Entry) -> bool:
    """Whether it changed something."""
    try:
        match entry.kind:
            case "key.revoked":
                return await revoke_key(connection, holder.tenant, entry.key or "", holder.actor)
            case "key.rotated":
                return await connection.fetchval(END_KEY, entry.project, entry.key, entry.until) is not None
            case "public_key.revoked":
                return await revoke_public_key(connection, holder, entry.key or "")
            case "subscriber.deleted":
                return await erase(connection, holder, entry)
            case "subscriber.tokens_revoked":
                return await end_tokens(connection, holder, entry)
    except NotFound:
        # Made after the moment that was restored.
        return False


async def erase(connection: Connection, holder: Restorer, entry: Entry) -> bool:
    person = await connection.fetchval(PERSON, entry.project, entry.person, entry.at, None)
    if person is None:
        return False
    await delete_subscriber(connection, holder, person)
    return True


async def end_tokens(connection: Connection, holder: Restorer, entry: Entry) -> bool:
    """All that were issued until now: those between the revocation and the loss are as few as the people."""
    person = await connection.fetchval(PERSON, entry.project, entry.person, entry.at, entry.until)
    if person is None:
        return False
    await revoke_tokens(connection, holder.tenant, person, holder.actor)
    return True
