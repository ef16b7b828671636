"""How many items an inbox has: exact, and cheap at 100,000 items.

The sums up to `counted_to` are kept in inbox_states; items after it are counted when asked. Publishing writes no counter, so a
popular subscriber is no bottleneck; whoever changes an item at or before `counted_to` corrects the sums in the same transaction.
"""

from collections.abc import Sequence

from tidings.notifications.state import COUNTED_TO, FIRST_ID, TOTAL_OF, UNREAD_OF, UNSEEN_OF
from tidings.notifications.structs import Counts
from tidings.platform.postgres import Connection, Database, tenant_transaction

# Above this many items after `counted_to`, the sums are brought forward.
FOLD_BEYOND = 500

# Transactions under way may still bring items this old: twice the longest.
SETTLED_S = 60.0

COUNT = f"""
SELECT who.subscriber, coalesce(s.total, 0) + later.total, coalesce(s.unseen, 0) + later.unseen,
    coalesce(s.unread, 0) + later.unread, later.items
FROM unnest($1::bigint[]) AS who (subscriber)
LEFT JOIN inbox_states s ON s.subscriber = who.subscriber
CROSS JOIN LATERAL (
    SELECT {TOTAL_OF} AS total, {UNSEEN_OF} AS unseen, {UNREAD_OF} AS unread, count(*) AS items
    FROM inbox i WHERE i.subscriber = who.subscriber AND i.id > {COUNTED_TO}
) AS later
"""

# Not past what may still arrive: transactions under way, and large audiences being written.
FOLD = f"""
WITH bound AS (
    SELECT least(
        (lpad(to_hex((extract(epoch FROM clock_timestamp() - $3 * interval '1 second') * 1000)::bigint), 12, '0')
            || '00000000000000000000')::uuid,
        (SELECT notification FROM fanouts WHERE project = $2 AND done_at IS NULL ORDER BY notification LIMIT 1)
    ) AS up_to
), sums AS (
    SELECT {TOTAL_OF} AS total, {UNSEEN_OF} AS unseen, {UNREAD_OF} AS unread
    FROM inbox_states s JOIN inbox i ON i.subscriber = s.subscriber, bound
    WHERE s.subscriber = $1 AND i.id > {COUNTED_TO} AND i.id < bound.up_to
)
UPDATE inbox_states s
SET counted_to = prior.id, total = s.total + sums.total, unseen = s.unseen + sums.unseen, unread = s.unread + sums.unread
FROM sums, bound, LATERAL (SELECT id FROM inbox WHERE subscriber = $1 AND id < bound.up_to ORDER BY id DESC LIMIT 1) AS prior
WHERE s.subscriber = $1 AND prior.id > {COUNTED_TO}
"""


async def counts_of(connection: Connection, subscribers: Sequence[int]) -> dict[int, Counts]:
    """Exact counts of several inboxes, by subscriber."""
    return {row[0]: Counts(row[1], row[2], row[3]) for row in await connection.fetch(COUNT, subscribers)}


async def count_one(connection: Connection, subscriber: int) -> tuple[Counts, bool]:
    """The counts of one inbox, and whether its sums should be brought forward."""
    row = await connection.fetchrow(COUNT, [subscriber])
    return Counts(row[1], row[2], row[3]), row[4] > FOLD_BEYOND


async def fold(database: Database, project: int, subscriber: int, settled_s: float = SETTLED_S) -> None:
    """Bring the kept sums forward, over items at least `settled_s` old."""
    async with tenant_transaction(database, project) as connection:
        await lock_state(connection, project, subscriber)
        await connection.execute(FOLD, subscriber, project, settled_s)


LOCK = """
INSERT INTO inbox_states AS s (project, subscriber) VALUES ($1, $2)
ON CONFLICT (subscriber) DO UPDATE SET project = s.project
RETURNING s.read_up_to::text, s.seen_up_to::text, s.counted_to::text
"""


async def lock_state(connection: Connection, project: int, subscriber: int) -> tuple[str, str, str]:
    """Lock a subscriber's state row, which every change of state does first. Answers read_up_to, seen_up_to and counted_to."""
    row = await connection.fetchrow(LOCK, project, subscriber)
    return row[0] or FIRST_ID, row[1] or FIRST_ID, row[2] or FIRST_ID
