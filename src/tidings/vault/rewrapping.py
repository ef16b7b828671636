"""Which encryption keys are in use, and wrapping every data key by the newest of the ring. What the data keys sealed stays as it is."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec

from tidings.platform.postgres import Connection, Database
from tidings.platform.secrets import CannotOpen
from tidings.vault.data_keys import unwrap, wrap
from tidings.vault.ring import Ring

AT_ONCE = 100
IN_USE = "SELECT kek, count(*) AS data_keys FROM data_keys GROUP BY kek ORDER BY kek"
COUNT = "SELECT count(*) FROM data_keys WHERE kek <> $1"
NEXT = "SELECT project, kek, wrapped FROM data_keys WHERE kek <> $1 AND project > $2 ORDER BY project LIMIT $3"
# Only as it was read: two that rewrap at once do the same work twice, and nothing else.
REWRAP = "UPDATE data_keys SET kek = $3, wrapped = $4 WHERE project = $1 AND kek = $2"


class KeyInUse(msgspec.Struct, frozen=True):
    """An encryption key. data_keys: how many it wraps."""

    key: str
    is_newest: bool
    in_ring: bool
    data_keys: int


class Rewrapped(msgspec.Struct, frozen=True):
    """left: how many could not be unwrapped, by the key that wraps them."""

    key: str
    rewrapped: int
    left: dict[str, int]


async def keys_in_use(database: Database, ring: Ring) -> list[KeyInUse]:
    """Those of the ring in its order, then those that are missing from it."""
    counts = {row["kek"]: row["data_keys"] for row in await database.system.fetch(IN_USE)}
    return [KeyInUse(kek, kek == ring.newest, kek in ring, counts.get(kek, 0)) for kek in dict.fromkeys([*ring.keys, *counts])]


async def rewrap(database: Database, ring: Ring, tell: Callable[[int, int], None]) -> Rewrapped:
    """While everything runs: a process that knows a data key already goes on using it. tell: how many are done, of how many."""
    done, left, last = 0, Counter[str](), 0
    async with database.system.acquire() as connection:
        of = await connection.fetchval(COUNT, ring.newest)
        while rows := await connection.fetch(NEXT, ring.newest, last, AT_ONCE):
            failed = await rewrap_some(connection, ring, rows)
            last, left = rows[-1]["project"], left + failed
            done += len(rows) - failed.total()
            tell(done, of)
    return Rewrapped(ring.newest, done, dict(left))


async def rewrap_some(connection: Connection, ring: Ring, rows: list[Any]) -> Counter[str]:
    """What could not be unwrapped, by the key that wraps it."""
    new, failed = [], Counter[str]()
    for project, kek, wrapped in rows:
        try:
            new.append((project, kek, ring.newest, wrap(ring, project, unwrap(ring, project, kek, wrapped))))
        except CannotOpen:
            failed[kek] += 1
    await connection.executemany(REWRAP, new)
    return failed
