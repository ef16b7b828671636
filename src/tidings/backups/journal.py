"""What must stay so after a restore to an earlier moment: keys that were revoked, and people who were erased.

A journal in the store, written by whoever follows the log, within seconds; append-only, each entry sealed:

    journal/EPOCH/SHARD/POSITION     up to which the log was read when it was written

It names people by their inner numbers alone: of somebody who was erased, nothing is kept here. Such a number is the same person in every
restored copy, unless they were made after what the entry tells; then another history gave the number to somebody else.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, Literal

import asyncpg
import msgspec

from tidings.backups.archive import refuse_beside_another
from tidings.backups.drafts import Place
from tidings.backups.errors import BackupFailed, Damaged, Missing
from tidings.backups.objects import get_sealed, put_sealed
from tidings.events.lease import history_of
from tidings.events.log import heads
from tidings.platform.postgres import Connection

FOLDER = "journal"
READ_AT_ONCE = 50_000
# So that whoever follows next begins not much before.
MARKED_EVERY = 500_000
Kind = Literal["key.revoked", "key.rotated", "public_key.revoked", "subscriber.deleted", "subscriber.tokens_revoked"]
KINDS: tuple[Kind, ...] = ("key.revoked", "key.rotated", "public_key.revoked", "subscriber.deleted", "subscriber.tokens_revoked")
READ = """
SELECT project, type, recipients, data::text, accepted_at FROM events
WHERE shard = $1 AND position > $2 AND position <= $3 AND type = ANY($4) ORDER BY position
"""


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """project: inner number.   key: of an API key or a public key.   person: inner number.   until: when a rotated key ends, or up to when
    tokens are worthless."""

    kind: Kind
    project: int
    at: datetime
    key: str | None = None
    person: int | None = None
    until: datetime | None = None


class Journal:
    """Follows every shard of one database. reached: by shard, in this epoch."""

    def __init__(self, place: Place, pool: asyncpg.Pool) -> None:
        self.place = place
        self.pool = pool
        self.epochs: dict[int, str] = {}
        self.reached: dict[int, int] = {}
        self.marked: dict[int, int] = {}

    async def advance(self) -> bool:
        """Write what the log has to tell. False: there was nothing new. Raises BackupFailed."""
        async with self.pool.acquire() as connection:
            news = [await self.advance_shard(connection, shard, *head) for shard, head in (await heads(connection)).items()]
        return any(news)

    async def advance_shard(self, connection: Connection, shard: int, epoch: str, head: int) -> bool:
        if self.epochs.get(shard) != epoch:
            # Whom a copy that is looked at erases is not to be erased by the next restore.
            server, timeline = await history_of(connection)
            await refuse_beside_another(self.place, str(server), timeline or 0)
            self.reached[shard] = self.marked[shard] = await self.last(epoch, shard)
            self.epochs[shard] = epoch
        begin, end = self.reached[shard], min(head, self.reached[shard] + READ_AT_ONCE)
        if begin >= end:
            return False
        entries = [entry_of(*row) for row in await connection.fetch(READ, shard, begin, end, list(KINDS))]
        if entries or end - self.marked[shard] >= MARKED_EVERY:
            await put_sealed(self.place, path_of(epoch, shard, end), msgspec.json.encode(entries))
            self.marked[shard] = end
        self.reached[shard] = end
        return end < head

    async def last(self, epoch: str, shard: int) -> int:
        names = [stored.path.rsplit("/", 1)[-1] async for stored in self.place.store.below(f"{FOLDER}/{epoch}/{shard:02d}")]
        return max(map(int, names), default=0)


def path_of(epoch: str, shard: int, position: int) -> str:
    return f"{FOLDER}/{epoch}/{shard:02d}/{position:020d}"


def entry_of(project: int, kind: Kind, recipients: list[int] | None, data: str, at: datetime) -> Entry:
    told: dict[str, Any] = msgspec.json.decode(data)
    until = told.get("ends_at") or told.get("valid_after")
    return Entry(
        kind,
        project,
        at,
        key=told.get("key") or told.get("kid"),
        person=recipients[0] if recipients else None,
        until=None if until is None else msgspec.convert(until, datetime),
    )


async def read_journal(place: Place) -> AsyncIterator[list[Entry]]:
    """All there is, of every epoch. Raises BackupFailed: without the journal what was revoked would live again."""
    paths = sorted([stored.path async for stored in place.store.below(FOLDER)])
    for start in range(0, len(paths), 16):
        try:
            contents = await asyncio.gather(*(get_sealed(place, path) for path in paths[start : start + 16]))
        except (Missing, Damaged) as error:
            # Of no backup: none is called bad for it.
            raise BackupFailed(f"The journal of what was revoked and erased cannot be read: {error.detail}") from error
        for content in contents:
            yield msgspec.json.decode(content, type=list[Entry])


async def prune_journal(place: Place, oldest: datetime) -> None:
    """Delete what was written before the oldest backup: that backup tells it itself. Raises StoreFailed."""
    await place.store.delete([stored.path async for stored in place.store.below(FOLDER) if stored.modified < oldest.astimezone(UTC)])
