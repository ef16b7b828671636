"""What time alone makes due: notifications that expire, partitions to add and drop, rows that have had their day."""

from datetime import datetime

from tidings.access.principals import Tenant
from tidings.notifications.withdraw import withdraw
from tidings.platform.postgres import Connection

EXPIRED = """
SELECT n.id::text, p.id, p.key, p.shard FROM notifications n JOIN projects p ON p.id = n.project
WHERE n.expires_at <= $1 AND n.withdrawn_at IS NULL ORDER BY n.expires_at LIMIT 100 FOR UPDATE OF n SKIP LOCKED
"""


async def expire_due(connection: Connection, now: datetime) -> set[int]:
    """Withdraw what has expired, a hundred at a time, in the caller's transaction. Answers the shards that got events."""
    shards: set[int] = set()
    for notification, project, key, shard in await connection.fetch(EXPIRED, now):
        await withdraw(connection, Tenant(project, key, shard), notification, "expired", "system:expiry", now)
        shards.add(shard)
    return shards


# A publish that resolved its people just before one of them was deleted writes an item nobody can reach.
ORPHANS = """
DELETE FROM inbox USING subscribers s WHERE s.deleted_at > now() - interval '1 hour' AND inbox.subscriber = s.id
"""


async def keep_house(connection: Connection, retention_days: int) -> None:
    """Partitions of the log, and rows past their time. Each statement stands alone, so that none holds locks for long."""
    await connection.execute("SELECT tidings_ensure_partitions()")
    await connection.execute("SELECT tidings_drop_partitions($1 * interval '1 day')", retention_days)
    await connection.execute(ORPHANS)
    await connection.execute("DELETE FROM idempotency_keys WHERE created_at < now() - interval '24 hours'")
    await connection.execute("DELETE FROM stream_sessions WHERE expires_at < now() - interval '1 hour'")
    await connection.execute(
        "DELETE FROM streamed USING notifications n WHERE n.id = streamed.notification AND n.created_at < now() - $1 * interval '1 day'",
        retention_days,
    )
