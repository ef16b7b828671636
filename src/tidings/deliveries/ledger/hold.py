"""What waits for a disabled or deleted destination is held, or ended, a piece at a time."""

from tidings.deliveries.ledger.ranges import IN_ORDER, of_destination
from tidings.platform.postgres import Connection

PIECE = 1000

PAUSED = "SELECT destination FROM lanes WHERE paused AND due_at IS NOT NULL ORDER BY destination LIMIT 1 FOR UPDATE SKIP LOCKED"
# After the lane is locked, as whoever deletes one does first.
WHOSE = "SELECT project, deleted_at IS NOT NULL AS is_deleted FROM destinations WHERE id = $1"
# What is out comes back to a paused lane, and makes it due again.
DONE = "UPDATE lanes SET due_at = NULL WHERE destination = $1"


def hold_sql(state: str) -> str:
    """Each state apart, in the order of its index: looked for among all that there was of one endpoint, a million, it took over 30 s.

    The newest first: should it be enabled half-way, what waits in an order still has the one that it waits for before it.
    """
    return f"""
    UPDATE deliveries SET state = CASE WHEN $3 THEN 'cancelled' ELSE 'held' END, reason = CASE WHEN $3 THEN 'deleted' ELSE 'disabled' END,
        finished_at = CASE WHEN $3 THEN now() END
    WHERE id IN (SELECT id FROM {of_destination(state, "DESC", "AND lease_until IS NULL")} LIMIT {PIECE} FOR UPDATE SKIP LOCKED)
    """


async def hold_next(connection: Connection) -> bool:
    """Whether there was something to hold."""
    async with connection.transaction():
        destination = await connection.fetchval(PAUSED)
        if destination is None:
            return False
        project, is_deleted = await connection.fetchrow(WHOSE, destination)
        await connection.execute(IN_ORDER)
        for state in ("pending", "held") if is_deleted else ("pending",):
            changed = await connection.execute(hold_sql(state), project, destination, is_deleted)
            if int(changed.split()[-1]) == PIECE:
                return True
        await connection.execute(DONE, destination)
        return True
