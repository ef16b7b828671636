"""From which id on a shard's sequencer has to look into the outbox.

What was taken stays in the index until VACUUM may remove it, and a look from the beginning passes all of it: behind a backup's snapshot,
100,000 events taken made the next one twice as dear (19 → 41 µs), and so on with every further one. Looking from the last id taken would
lose rows, since ids are drawn before they are committed.

The theory: a transaction has an id of its own before it draws one of the outbox (a trigger sees to that). So whoever drew an id ≤ `newest`
is older than a transaction that began after `newest` was read; once none older than that one runs, every row ≤ `newest` can be seen, or
never will be. What cannot be seen then is not there, and below the first that can, nobody has to look again.
"""

from typing import NamedTuple

from tidings.platform.postgres import Connection

# A sequence that was never used says 1.
NEWEST = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM outbox_id_seq"
# For those who look at what waits.   Not a snapshot's xmax, which is one past the last that has *ended*.
SAY = "UPDATE shards SET floor = $2 WHERE shard = $1 RETURNING pg_current_xact_id()::text::bigint"

LOOK = """
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint >= $3 AS decided,
    (SELECT id FROM outbox WHERE shard = $1 AND id >= $2 ORDER BY id LIMIT 1) AS first
"""


# So many dead rows are passed quickly, and a rise is three small statements.
EVERY = 10_000
EVERY_S = 1.0


class Mark(NamedTuple):
    """Who drew an outbox id up to `newest` did so in a transaction before `transaction`."""

    newest: int
    transaction: int


class Floor:
    """id: below it, the shard's outbox is empty for ever.   taken: events since the last rise, at `risen_at`."""

    def __init__(self, shard: int) -> None:
        self.shard = shard
        self.id = 0
        self.mark: Mark | None = None
        self.taken = 0
        self.risen_at = 0.0

    def is_due(self, now: float) -> bool:
        return self.taken >= EVERY or (self.taken > 0 and now - self.risen_at >= EVERY_S)

    async def rise(self, connection: Connection) -> None:
        """Call it now and then, outside a transaction; it takes two calls to rise."""
        if self.mark is not None:
            decided, first = await connection.fetchrow(LOOK, self.shard, self.id, self.mark.transaction)
            if not decided:
                return
            self.id = self.mark.newest + 1 if first is None else min(first, self.mark.newest + 1)
        newest = await connection.fetchval(NEWEST)
        self.mark = Mark(newest, await connection.fetchval(SAY, self.shard, self.id))
