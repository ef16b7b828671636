"""Where a notification is on its way: accepted, sequenced, fanned out, streamed, seen, read, withdrawn."""

from typing import Any

import msgspec

from tidings.errors import NotFound
from tidings.notifications.state import READ_AT, SEEN_AT
from tidings.notifications.structs import NotificationDetail, TimelineStep
from tidings.platform.postgres import Connection

NOTIFICATION = """
SELECT id::text, audience::text, title, body, url, data::text, category, priority, collapse_key, channels, transient, expires_at,
    created_at, created_by, recipients, recipient_ids, withdrawn_at, withdrawn_as
FROM notifications WHERE project = $1 AND id = $2::uuid
"""
SEQUENCED = "SELECT created_at FROM events WHERE notification = $1::uuid AND type = 'notification.created'"
FANOUT = "SELECT done_at, written, expected FROM fanouts WHERE notification = $1::uuid AND kind = 'deliver'"
STREAMED = "SELECT first_at, streams FROM streamed WHERE notification = $1::uuid"
SEEN_AND_READ = f"""
SELECT min(seen_at), count(seen_at), min(read_at), count(read_at) FROM (
    SELECT {SEEN_AT} AS seen_at, {READ_AT} AS read_at
    FROM inbox i LEFT JOIN inbox_states s ON s.subscriber = i.subscriber
    WHERE i.subscriber = ANY($1::bigint[]) AND i.id = $2::uuid
) AS item
"""


async def detail_of(connection: Connection, project: int, notification: str) -> NotificationDetail:
    """Raises NotFound."""
    row = await connection.fetchrow(NOTIFICATION, project, notification)
    if row is None:
        raise NotFound(f"There is no notification {notification}.")
    return NotificationDetail(
        row["id"],
        msgspec.json.decode(row["audience"]),
        row["title"],
        row["body"],
        row["url"],
        msgspec.json.decode(row["data"]) if row["data"] is not None else None,
        row["category"],
        row["priority"],
        row["collapse_key"],
        list(row["channels"]),
        row["transient"],
        row["expires_at"],
        row["created_at"],
        row["created_by"],
        row["recipients"],
        row["withdrawn_at"] if row["withdrawn_as"] == "retracted" else None,
        await timeline_of(connection, row),
    )


async def timeline_of(connection: Connection, row: Any) -> list[TimelineStep]:
    """seen and read are counted for audiences of up to 1,000."""
    identity = row["id"]
    fanout = await connection.fetchrow(FANOUT, identity)
    streamed = await connection.fetchrow(STREAMED, identity)
    steps = [
        TimelineStep("accepted", row["created_at"]),
        TimelineStep("sequenced", await connection.fetchval(SEQUENCED, identity)),
        TimelineStep("fanned_out", fanout["done_at"], fanout["written"], fanout["expected"])
        if fanout is not None
        else TimelineStep("fanned_out", row["created_at"], row["recipients"], row["recipients"]),
        TimelineStep("streamed", *(streamed or (None, 0))),
    ]
    if row["recipient_ids"] is not None:
        first_seen, seen, first_read, read = await connection.fetchrow(SEEN_AND_READ, row["recipient_ids"], identity)
        steps += [TimelineStep("seen", first_seen, seen), TimelineStep("read", first_read, read)]
    if row["withdrawn_at"] is not None:
        steps.append(TimelineStep(row["withdrawn_as"], row["withdrawn_at"]))
    return steps
