"""Writing accepted notifications: the notification, its inbox rows or its fan-out, and its event, with a few statements for all."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from tidings.access.principals import Tenant
from tidings.events.entry import NewEvent
from tidings.events.outbox import append, literal_of
from tidings.notifications.audience import Resolved
from tidings.notifications.draft import Draft
from tidings.notifications.structs import Shown
from tidings.notifications.withdraw import remove_collapsed
from tidings.platform.ids import uuid7
from tidings.platform.metrics import INBOX_ROWS
from tidings.platform.postgres import Connection


class Prepared(msgspec.Struct, frozen=True):
    """A notification with everything decided. shown: what the people concerned see.   trace: as of NewEvent."""

    id: str
    draft: Draft
    audience: Resolved
    actor: str
    shown: Shown
    trace: str | None = None

    @property
    def is_kept(self) -> bool:
        """Whether it goes into inboxes."""
        return "in_app" in self.draft.wanted.channels and not self.draft.wanted.transient


def prepare(draft: Draft, audience: Resolved, actor: str, now: datetime, trace: str | None = None) -> Prepared:
    wanted = draft.wanted
    identity = str(uuid7())
    shown = Shown(
        identity,
        wanted.title,
        wanted.body,
        wanted.url,
        None if draft.data is None else msgspec.Raw(draft.data),
        wanted.category,
        wanted.priority,
        wanted.collapse_key,
        wanted.expires_at,
        now,
    )
    return Prepared(identity, draft, audience, actor, shown, trace)


NOTIFICATIONS = """
INSERT INTO notifications (project, id, title, body, url, data, category, collapse_key, priority, channels, audience, recipients,
    recipient_ids, transient, expires_at, created_by, created_at)
SELECT $1, id, title, body, url, data, category, collapse_key, priority, string_to_array(channels, ','), audience, recipients,
    recipient_ids::bigint[], transient, expires_at, created_by, created_at
FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::json[], $7::text[], $8::text[], $9::text[], $10::text[], $11::json[],
    $12::bigint[], $13::text[], $14::boolean[], $15::timestamptz[], $16::text[], $17::timestamptz[])
    AS new (id, title, body, url, data, category, collapse_key, priority, channels, audience, recipients, recipient_ids, transient,
            expires_at, created_by, created_at)
"""

# An item whose id a watermark has already passed (another machine's clock) stands apart, so that it is not born read; the event
# says so, and a rebuild does the same.
INBOX = """
WITH made AS (
    INSERT INTO inbox (project, subscriber, id, category, collapse_key, expires_at, apart)
    SELECT $1, new.subscriber, n.id, n.category, n.collapse_key, n.expires_at, coalesce(n.id <= greatest(s.seen_up_to, s.read_up_to), false)
    FROM unnest($2::text[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[]) AS n (recipients, id, category, collapse_key, expires_at)
    CROSS JOIN LATERAL unnest(n.recipients::bigint[]) AS new (subscriber)
    LEFT JOIN inbox_states s ON s.subscriber = new.subscriber
    RETURNING subscriber, id, apart
)
SELECT subscriber, id::text FROM made WHERE apart
"""

FANOUTS = """
INSERT INTO fanouts (project, notification, recipients, topics, everyone, expected)
SELECT $1, notification, recipients::bigint[], topics::bigint[], everyone, expected
FROM unnest($2::uuid[], $3::text[], $4::text[], $5::boolean[], $6::bigint[]) AS new (notification, recipients, topics, everyone, expected)
"""


async def store(connection: Connection, tenant: Tenant, prepared: Sequence[Prepared]) -> None:
    """Write them all, in the caller's transaction; their events last."""
    if not prepared:
        return
    await insert_notifications(connection, tenant.id, prepared)
    kept = [one for one in prepared if one.is_kept]
    apart = await insert_inbox_rows(connection, tenant.id, [one for one in kept if not one.audience.is_large])
    await insert_fanouts(connection, tenant.id, [one for one in kept if one.audience.is_large])
    await append(connection, [event_of(tenant, one, apart.get(one.id, [])) for one in prepared])


async def insert_notifications(connection: Connection, project: int, prepared: Sequence[Prepared]) -> None:
    wanted = [one.draft.wanted for one in prepared]
    await connection.execute(
        NOTIFICATIONS,
        project,
        [one.id for one in prepared],
        [one.title for one in wanted],
        [one.body for one in wanted],
        [one.url for one in wanted],
        [one.draft.data for one in prepared],
        [one.category for one in wanted],
        [one.collapse_key for one in wanted],
        [one.priority for one in wanted],
        [",".join(one.channels) for one in wanted],
        [msgspec.json.encode(one.to).decode() for one in wanted],
        [one.audience.size for one in prepared],
        [None if one.audience.is_large else one.audience.recipients.literal for one in prepared],
        [one.transient for one in wanted],
        [one.expires_at for one in wanted],
        [one.actor for one in prepared],
        [one.shown.created_at for one in prepared],
    )


async def insert_inbox_rows(connection: Connection, project: int, prepared: Sequence[Prepared]) -> dict[str, list[int]]:
    """Write the rows of small audiences. Answers, by notification, whose item stands apart from their watermarks."""
    reached = [one for one in prepared if one.audience.size]
    if not reached:
        return {}
    wanted = [one.draft.wanted for one in reached]
    rows = await connection.fetch(
        INBOX,
        project,
        [one.audience.recipients.literal for one in reached],
        [one.id for one in reached],
        [one.category for one in wanted],
        [one.collapse_key for one in wanted],
        [one.expires_at for one in wanted],
    )
    INBOX_ROWS.inc(sum(one.audience.size for one in reached))
    for one in reached:
        if one.draft.wanted.collapse_key is not None:
            await remove_collapsed(connection, project, one.draft.wanted.collapse_key, one.audience.recipients.ids)
    apart: dict[str, list[int]] = {}
    for subscriber, notification in rows:
        apart.setdefault(notification, []).append(subscriber)
    return apart


async def insert_fanouts(connection: Connection, project: int, prepared: Sequence[Prepared]) -> None:
    if not prepared:
        return
    await connection.execute(
        FANOUTS,
        project,
        [one.id for one in prepared],
        [one.audience.recipients.literal for one in prepared],
        [literal_of(one.audience.topics) for one in prepared],
        [one.audience.everyone for one in prepared],
        [one.audience.size for one in prepared],
    )


def event_of(tenant: Tenant, one: Prepared, apart: Sequence[int]) -> NewEvent:
    wanted, audience = one.draft.wanted, one.audience
    internal = {
        "recipients": audience.size,
        "in_app": "in_app" in wanted.channels,
        "transient": wanted.transient,
        "channels": wanted.channels,
    }
    return NewEvent(
        project=tenant.id,
        shard=tenant.shard,
        type="notification.created",
        notification=one.id,
        recipients=audience.recipients.literal,
        topics=audience.topics,
        everyone=audience.everyone,
        data=msgspec.json.encode(one.shown).decode(),
        internal=msgspec.json.encode(internal | ({"apart": apart} if apart else {})).decode(),
        actor=one.actor,
        trace=one.trace,
    )
