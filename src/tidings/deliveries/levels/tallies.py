"""How deliveries ended, counted by destination and minute, and later by longer spans, so that nobody reads the ledger for a figure.

Counted from the ledger by `finished_at`, every half minute, and not by whoever settles: one upsert in that statement cost PostgreSQL 17 to
180 % more of a processor when 100 deliveries are settled together, the index for this too little to be told from noise.

The newest minutes are counted anew each time until a whole round of counting and a minute more have passed, because a worker may be late
to write. What gets into the ledger later than that (its worker could not reach PostgreSQL, which the counting could) is not counted.
A delivery that came to an end, was counted and was sent again comes to an end twice.
"""

from datetime import UTC, datetime, timedelta

from tidings.platform.postgres import Connection

MINUTE = timedelta(minutes=1)
LATE = MINUTE
# Spans in minutes, and how long they are kept before they are folded into the next one; the last is kept as long as the ledger.
# Whoever reads a window begins at a full span of what may lie there, see `window_start`.
FOLDS = ((1, 10, timedelta(minutes=90)), (10, 60, timedelta(hours=8)), (60, 1440, timedelta(days=8)))
# Rows folded in one statement; time counted in one, should nobody have counted for long. 2,000,000 deliveries at once took over 30 s.
PIECE = 5000
COUNT_PIECE = timedelta(minutes=10)
# PostgreSQL's infinity.
FOREVER = datetime.max.replace(tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

LOCK = "SELECT counted_to, checked_at FROM service_checks FOR UPDATE SKIP LOCKED"
MOVE = "UPDATE service_checks SET counted_to = $1, checked_at = $2"
FORGET = "DELETE FROM service_tallies WHERE span = 1 AND at >= $1"
# By destination, and by connector: grouping sets leave the destination of the latter null.
COUNT = """
INSERT INTO service_tallies (destination, project, connector, span, at, delivered, dead, latencies)
SELECT coalesce(destination, 0), project, connector, 1, minute, count(*) FILTER (WHERE delivered), count(*) FILTER (WHERE NOT delivered),
    tidings_histogram(array_agg(bucket) FILTER (WHERE delivered))
FROM (
    SELECT d.destination, t.project, t.connector, date_bin('1 minute', d.finished_at, 'epoch') AS minute,
        d.state = 'delivered' AS delivered, tidings_latency_bucket(extract(epoch FROM d.finished_at - d.accepted_at)::float8) AS bucket
    FROM deliveries d JOIN destinations t ON t.id = d.destination
    WHERE d.finished_at >= $1 AND d.finished_at < $2 AND d.state IN ('delivered', 'dead')
) AS ended GROUP BY GROUPING SETS ((destination, project, connector, minute), (project, connector, minute))
"""
# The rows move, so each end is in one span at any time, and a late row of minutes follows by itself.
FOLD = """
WITH moved AS (
    DELETE FROM service_tallies WHERE (destination, project, connector, span, at) IN (
        SELECT destination, project, connector, span, at FROM service_tallies WHERE span = $1 AND at < $3 ORDER BY at LIMIT $4
    ) RETURNING *
), folded AS (
    INSERT INTO service_tallies AS t (destination, project, connector, span, at, delivered, dead, latencies)
    SELECT destination, project, connector, $2::smallint, date_bin($2::smallint * interval '1 minute', at, 'epoch'),
        sum(delivered), sum(dead), tidings_sum(latencies)
    FROM moved GROUP BY 1, 2, 3, 5
    ON CONFLICT (destination, project, connector, span, at) DO UPDATE SET delivered = t.delivered + excluded.delivered,
        dead = t.dead + excluded.dead, latencies = tidings_add(t.latencies, excluded.latencies)
)
SELECT count(*) FROM moved
"""


async def count_ended(connection: Connection, now: datetime) -> bool | None:
    """Count what has ended, in the caller's transaction, which holds off others.

    None when another process is at it; else whether more is to be folded.
    """
    row = await connection.fetchrow(LOCK)
    if row is None:
        return None
    counted_to, checked_at = row
    await connection.execute(FORGET, counted_to)
    start = counted_to
    while start is not None:
        end = start + COUNT_PIECE if start + COUNT_PIECE < now else None
        await connection.execute(COUNT, start, end or FOREVER)
        start = end
    # As of the round before, not of now: after PostgreSQL was away, workers that come back with what ended meanwhile have that long.
    counted_to = max(counted_to, floored(checked_at - LATE, MINUTE))
    await connection.execute(MOVE, counted_to, now)
    return await fold(connection, min(now, counted_to + FOLDS[0][2]))


async def fold(connection: Connection, now: datetime) -> bool:
    """Whether more is to be folded."""
    moved = [
        await connection.fetchval(FOLD, span, longer, floored(now - keep, timedelta(minutes=longer)), PIECE) for span, longer, keep in FOLDS
    ]
    return PIECE in moved


async def keep_tallies(connection: Connection, retention_days: int) -> None:
    """Drop what the ledger has dropped too."""
    await connection.execute("DELETE FROM service_tallies WHERE span = 1440 AND at < now() - $1 * interval '1 day'", retention_days)


def floored(at: datetime, step: timedelta) -> datetime:
    return at - (at - EPOCH) % step


def window_start(now: datetime, window: timedelta) -> datetime:
    """Where a window that ends now begins: at a full span of the longest kind that lies there, and so up to one of them earlier."""
    longest = next((span for span, _, keep in FOLDS if window + timedelta(minutes=span) <= keep), FOLDS[-1][1])
    return floored(now - window, timedelta(minutes=longest))
