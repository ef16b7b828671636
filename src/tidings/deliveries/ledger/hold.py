"""What waits for a disabled or deleted destination is held, or ended, a piece at a time."""

from tidings.platform.postgres import Connection

PIECE = 1000

# The newest first: should it be enabled half-way, what waits in an order still has the one that it waits for before it.
PAUSED = "SELECT destination FROM lanes WHERE paused AND due_at IS NOT NULL ORDER BY destination LIMIT 1 FOR UPDATE SKIP LOCKED"
HOLD = """
UPDATE deliveries d SET state = CASE WHEN t.deleted_at IS NULL THEN 'held' ELSE 'cancelled' END,
    reason = CASE WHEN t.deleted_at IS NULL THEN 'disabled' ELSE 'deleted' END,
    finished_at = CASE WHEN t.deleted_at IS NULL THEN NULL ELSE now() END
FROM destinations t WHERE t.id = d.destination AND d.id IN (
    SELECT id FROM deliveries WHERE destination = $1 AND state IN ('pending', 'held') AND lease_until IS NULL
      AND (state = 'pending' OR (SELECT deleted_at FROM destinations WHERE id = $1) IS NOT NULL)
    ORDER BY id DESC LIMIT $2 FOR UPDATE SKIP LOCKED
)
"""
# What is out comes back to a paused lane, and makes it due again.
DONE = "UPDATE lanes SET due_at = NULL WHERE destination = $1"


async def hold_next(connection: Connection) -> bool:
    """Whether there was something to hold."""
    async with connection.transaction():
        destination = await connection.fetchval(PAUSED)
        if destination is None:
            return False
        changed = int((await connection.execute(HOLD, destination, PIECE)).split()[-1])
        if changed < PIECE:
            await connection.execute(DONE, destination)
        return True
