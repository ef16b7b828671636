"""Taking items out of inboxes: retracted, expired, or replaced by a newer one with the same collapse key."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec

from tidings.access.principals import Tenant
from tidings.events.entry import NewEvent
from tidings.events.outbox import append
from tidings.notifications.state import HERE, UNREAD, UNSEEN
from tidings.platform.postgres import Connection

Reason = Literal["retracted", "expired"]

LOCK_STATES = "SELECT FROM inbox_states WHERE subscriber = ANY($1::bigint[]) ORDER BY subscriber FOR UPDATE"


def remove_sql(which: str) -> str:
    """Delete items and correct the sums they were part of; answers how many. $1 subscribers."""
    return f"""
    WITH gone AS (
        DELETE FROM inbox i WHERE i.subscriber = ANY($1::bigint[]) AND {which}
        RETURNING i.subscriber, i.id, i.seen_at, i.read_at, i.archived_at, i.apart
    ), delta AS (
        SELECT i.subscriber, count(*) FILTER (WHERE {HERE}) AS total, count(*) FILTER (WHERE {HERE} AND {UNSEEN}) AS unseen,
               count(*) FILTER (WHERE {HERE} AND {UNREAD}) AS unread
        FROM gone i JOIN inbox_states s ON s.subscriber = i.subscriber WHERE i.id <= s.counted_to GROUP BY i.subscriber
    ), corrected AS (
        UPDATE inbox_states s SET total = s.total - delta.total, unseen = s.unseen - delta.unseen, unread = s.unread - delta.unread
        FROM delta WHERE s.subscriber = delta.subscriber
    )
    SELECT count(*) FROM gone
    """


REMOVE_ONE = remove_sql("i.id = $2::uuid")
# Of several with the same key only the newest stays, whichever was written first: the rule does not depend on the order.
REMOVE_COLLAPSED = remove_sql(
    """i.collapse_key = $2 AND EXISTS (
        SELECT FROM inbox newer WHERE newer.subscriber = i.subscriber AND newer.collapse_key = $2 AND newer.id > i.id)"""
)


async def remove_items(connection: Connection, notification: str, subscribers: Sequence[int]) -> int:
    """Take one notification out of these inboxes."""
    await connection.execute(LOCK_STATES, subscribers)
    removed: int = await connection.fetchval(REMOVE_ONE, subscribers, notification)
    return removed


async def remove_collapsed(connection: Connection, project: int, collapse_key: str, subscribers: Sequence[int]) -> None:
    """Leave each inbox only the newest item with this key. The lock lets a concurrent publish see ours, or us see its."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1::int || ' ' || $2, 11))", project, collapse_key)
    await connection.execute(LOCK_STATES, subscribers)
    await connection.execute(REMOVE_COLLAPSED, subscribers, collapse_key)


WITHDRAW = """
UPDATE notifications SET withdrawn_at = $2, withdrawn_as = $3 WHERE id = $1::uuid AND withdrawn_at IS NULL RETURNING recipient_ids
"""


LIVE_AUDIENCE = """
SELECT recipients, topics, everyone FROM events WHERE notification = $1::uuid AND type = 'notification.created'
"""


async def withdraw(connection: Connection, tenant: Tenant, notification: str, reason: Reason, actor: str, now: datetime) -> bool:
    """Take a notification out of every inbox and open page, in the caller's transaction. False if it already was.

    Large audiences are withdrawn in chunks by the worker; until then the inbox hides what is withdrawn.
    """
    found = await connection.fetchrow(WITHDRAW, notification, now, reason)
    if found is None:
        return False
    fanout = await connection.fetchrow(
        "SELECT recipients, topics, everyone, expected FROM fanouts WHERE notification = $1::uuid AND kind = 'deliver'", notification
    )
    recipients, topics, everyone = found["recipient_ids"] or [], None, False
    if fanout is not None:
        recipients, topics, everyone = fanout["recipients"], fanout["topics"], fanout["everyone"]
        await connection.execute(
            """INSERT INTO fanouts (project, notification, kind, recipients, topics, everyone, expected)
            VALUES ($1, $2::uuid, 'withdraw', $3::bigint[], $4::bigint[], $5, $6)""",
            tenant.id,
            notification,
            recipients,
            topics,
            everyone,
            fanout["expected"],
        )
    elif found["recipient_ids"] is None:
        # A large one that was live only: no inbox has it, but open pages may.
        live = await connection.fetchrow(LIVE_AUDIENCE, notification)
        recipients, topics, everyone = live or (recipients, topics, everyone)
    else:
        await remove_items(connection, notification, recipients)
    await append(connection, [event_of(tenant, notification, reason, actor, recipients, topics, everyone)])
    return True


def event_of(
    tenant: Tenant, notification: str, reason: Reason, actor: str, recipients: Sequence[int], topics: Sequence[int] | None, everyone: bool
) -> NewEvent:
    return NewEvent(
        project=tenant.id,
        shard=tenant.shard,
        type=f"notification.{reason}",
        notification=notification,
        recipients=recipients,
        topics=topics,
        everyone=everyone,
        data=msgspec.json.encode({"id": notification}).decode(),
        actor=actor,
    )
