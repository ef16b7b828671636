"""What is known of a notification and a person, read once for the whole explanation."""

from datetime import datetime
from typing import Any

import msgspec

from tidings.access.principals import Tenant
from tidings.errors import NotFound
from tidings.platform.postgres import Connection
from tidings.recipients.subscribers import unknown

NOTIFICATION = """
SELECT n.id::text, n.channels, n.category, n.collapse_key, n.transient, n.created_at, n.withdrawn_at, n.withdrawn_as, n.recipient_ids,
    e.shard, e.position, e.topics, e.everyone, e.recipients
FROM notifications n LEFT JOIN events e ON e.notification = n.id AND e.type = 'notification.created'
WHERE n.project = $1 AND n.id = $2::uuid
"""
PERSON = """
SELECT id, external_id, email, phone, created_at, (SELECT count(*) FROM push_subscriptions p WHERE p.subscriber = s.id) AS browsers
FROM subscribers s WHERE project = $1 AND external_id = $2 AND deleted_at IS NULL
"""
# As of the notification's position; `everyone` means whoever was there when it got it.
WAS_MEMBER = """
SELECT EXISTS (
    SELECT FROM topic_members m JOIN topic_changes added ON added.id = m.added_by
    LEFT JOIN topic_changes removed ON removed.id = m.removed_by
    WHERE m.topic = ANY ($1::bigint[]) AND m.subscriber = $2 AND added.position < $3
      AND (removed.position IS NULL OR removed.position > $3)
)
"""
CATEGORY = "SELECT channels FROM categories WHERE project = $1 AND category = $2"
PLANNED = "SELECT position FROM planned WHERE shard = $1"


class Known(msgspec.Struct):
    """channels: those it goes through, with those of its category.   is_in_audience: None when the log does not reach back so far.

    is_planned: whether the planner has seen it.
    """

    notification: Any
    person: Any
    channels: set[str]
    is_in_audience: bool | None
    is_planned: bool


async def look_up(connection: Connection, tenant: Tenant, notification: str, subscriber: str) -> Known:
    """Raises NotFound."""
    row = await connection.fetchrow(NOTIFICATION, tenant.id, notification)
    if row is None:
        raise NotFound(f"There is no notification {notification}.")
    person = await connection.fetchrow(PERSON, tenant.id, subscriber)
    if person is None:
        raise unknown(subscriber)
    more = await connection.fetchval(CATEGORY, tenant.id, row["category"]) or []
    planned = await connection.fetchval(PLANNED, tenant.shard) or 0
    return Known(
        row,
        person,
        {*row["channels"], *more},
        await is_in_audience(connection, row, person),
        row["position"] is None or planned >= row["position"],
    )


async def is_in_audience(connection: Connection, row: Any, person: Any) -> bool | None:
    if row["recipient_ids"] is not None:
        return person["id"] in row["recipient_ids"]
    if row["position"] is None:
        return None
    if person["id"] in (row["recipients"] or ()):
        return True
    if row["everyone"]:
        created_at: datetime = row["created_at"]
        return bool(person["created_at"] <= created_at)
    return bool(await connection.fetchval(WAS_MEMBER, row["topics"] or [], person["id"], row["position"]))
