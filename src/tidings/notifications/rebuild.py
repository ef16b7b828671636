"""`tidings projections rebuild inbox`: make the inboxes again from what the log retains, over the state before it.

Every event that changed an inbox is replayed in the order of the log, through the same statements that wrote it first; only plain ones that
follow one another, which cannot depend on each other, are written together. Items whose notification is older than the log are kept and
only the retained changes are replayed on them, which changes nothing, because events say the time of what they did. Publishing and
marking wait while it runs; reading goes on.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

import asyncpg
import msgspec

from tidings.events.entry import LogEvent
from tidings.events.log import heads, read_after
from tidings.notifications.counts import LOCK
from tidings.notifications.fanout import CHUNK, CHUNK_OF
from tidings.notifications.marks import CHANGE, MOVE, SETTLE_APART, Action
from tidings.notifications.structs import Shown
from tidings.notifications.withdraw import remove_collapsed, remove_items
from tidings.platform.postgres import Connection

BATCH = 1000

Progress = Callable[[int, int], None]

# Items of notifications that the log still has are made again; their watermarks and sums too, since the marks are in the log.
FORGET = """
DELETE FROM inbox USING events e
WHERE e.shard = $1 AND e.type = 'notification.created' AND e.project = inbox.project AND inbox.id = e.notification
"""
# A watermark moved since the log begins is moved again by its event; an older one stays.
RESET_STATES = """
WITH log AS (SELECT coalesce(min(created_at), 'infinity') AS begins FROM events WHERE shard = $1)
UPDATE inbox_states SET counted_to = NULL, total = 0, unseen = 0, unread = 0,
    seen_up_to = CASE WHEN seen_up_to_at < log.begins THEN seen_up_to END,
    seen_up_to_at = CASE WHEN seen_up_to_at < log.begins THEN seen_up_to_at END,
    read_up_to = CASE WHEN read_up_to_at < log.begins THEN read_up_to END,
    read_up_to_at = CASE WHEN read_up_to_at < log.begins THEN read_up_to_at END
FROM log WHERE project IN (SELECT id FROM projects WHERE shard = $1)
"""
WRITE = """
INSERT INTO inbox (project, subscriber, id, category, collapse_key, expires_at, apart)
SELECT $1, one.subscriber, $2::uuid, $3, $4, $5, one.subscriber = ANY($7::bigint[])
FROM unnest($6::bigint[]) AS one (subscriber) JOIN subscribers p ON p.id = one.subscriber AND p.deleted_at IS NULL
ON CONFLICT DO NOTHING
"""
# The same of several notifications: $1 subscribers, $2 which notification of those that follow, $3 whether it stands apart.
WRITE_PLAIN = """
INSERT INTO inbox (project, subscriber, id, category, expires_at, apart)
SELECT n.project, one.subscriber, n.id, n.category, n.expires_at, one.apart
FROM unnest($1::bigint[], $2::int[], $3::boolean[]) AS one (subscriber, item, apart)
JOIN unnest($4::int[], $5::uuid[], $6::text[], $7::timestamptz[]) WITH ORDINALITY AS n (project, id, category, expires_at, item)
    ON n.item = one.item
JOIN subscribers p ON p.id = one.subscriber AND p.deleted_at IS NULL
ON CONFLICT DO NOTHING
"""
CONCERN_INBOXES = {"notification.created", "notification.retracted", "notification.expired", "subscriber.deleted"}
FANOUT = "SELECT newest_subscriber FROM fanouts WHERE notification = $1::uuid AND kind = 'deliver'"


async def rebuild_inbox(pool: asyncpg.Pool, shard: int, on_progress: Progress) -> int:
    """Replay one shard; answers the number of events. on_progress: called with events done and events in all."""
    async with pool.acquire() as connection, connection.transaction():
        # Writers wait, readers do not. What was committed before the lock reaches the log while we hold it.
        await connection.execute("LOCK TABLE inbox_states, inbox IN SHARE ROW EXCLUSIVE MODE")
        await outbox_is_empty(connection, shard)
        head = (await heads(connection))[shard].position
        await connection.execute(FORGET, shard)
        await connection.execute(RESET_STATES, shard)
        position, done = 0, 0
        while events := await read_after(connection, shard, position, BATCH, up_to=head):
            for is_plain, some in groupby(filter(concerns_inboxes, events), is_plain_creation):
                if is_plain:
                    await replay_plain(connection, list(some))
                else:
                    for event in some:
                        await replay(connection, event)
            position, done = events[-1].position, done + len(events)
            on_progress(position, head)
        return done


async def outbox_is_empty(connection: Connection, shard: int) -> None:
    """Wait for the sequencer. Publishing is held up by our lock, so this ends."""
    while await connection.fetchval("SELECT EXISTS (SELECT FROM outbox WHERE shard = $1)", shard):
        await asyncio.sleep(0.05)


def concerns_inboxes(event: LogEvent) -> bool:
    return event.type.startswith("inbox.") or event.type in CONCERN_INBOXES


def is_plain_creation(event: LogEvent) -> bool:
    """Whether all that it did was to write rows for the people it names. Such ones in a row are written by one statement, because none of
    them looks at what another wrote: 4,000 events/s otherwise, most of it round trips.
    """
    return event.type == "notification.created" and not event.everyone and event.topics is None and not replaces(event)


def replaces(event: LogEvent) -> bool:
    return '"collapse_key":"' in event.data


async def replay_plain(connection: Connection, events: Sequence[LogEvent]) -> None:
    subscribers: list[int] = []
    items: list[int] = []
    apart: list[bool] = []
    kept: list[tuple[LogEvent, Shown]] = []
    for event in events:
        internal = msgspec.json.decode(event.internal or "{}")
        if not is_kept(internal):
            continue
        shown = msgspec.json.decode(event.data, type=Shown)
        assert shown.collapse_key is None
        kept.append((event, shown))
        names = event.recipients or []
        subscribers += names
        items += [len(kept)] * len(names)
        standing_apart = set(internal.get("apart", ()))
        apart += [name in standing_apart for name in names]
    await connection.execute(
        WRITE_PLAIN,
        subscribers,
        items,
        apart,
        [event.project for event, _ in kept],
        [event.notification for event, _ in kept],
        [shown.category for _, shown in kept],
        [shown.expires_at for _, shown in kept],
    )


def is_kept(internal: Mapping[str, Any]) -> bool:
    return not internal.get("transient") and bool(internal.get("in_app", True))


async def replay(connection: Connection, event: LogEvent) -> None:
    """Do again what an event did to inboxes."""
    if event.type == "notification.created":
        await replay_created(connection, event)
    elif event.type in ("notification.retracted", "notification.expired"):
        await replay_withdrawn(connection, event)
    elif event.type.startswith("inbox."):
        await replay_mark(connection, event)
    elif event.type == "subscriber.deleted":
        await connection.execute("DELETE FROM inbox WHERE subscriber = ANY($1::bigint[])", event.recipients or [])


async def replay_created(connection: Connection, event: LogEvent) -> None:
    internal = msgspec.json.decode(event.internal or "{}")
    if not is_kept(internal):
        return
    shown = msgspec.json.decode(event.data, type=Shown)
    async for subscribers in audience_of(connection, event):
        # Who got it apart from the watermarks was decided when it was written, and is in the log: here, or in a mark's `pending`.
        await connection.execute(
            WRITE,
            event.project,
            event.notification,
            shown.category,
            shown.collapse_key,
            shown.expires_at,
            subscribers,
            internal.get("apart", []),
        )
        if shown.collapse_key is not None:
            await remove_collapsed(connection, event.project, shown.collapse_key, subscribers)


async def replay_withdrawn(connection: Connection, event: LogEvent) -> None:
    assert event.notification is not None
    if event.everyone or event.topics is not None:
        await connection.execute("DELETE FROM inbox WHERE project = $1 AND id = $2::uuid", event.project, event.notification)
    else:
        await remove_items(connection, event.notification, event.recipients or [])


async def audience_of(connection: Connection, event: LogEvent) -> AsyncIterator[Sequence[int]]:
    """The people an event was for, in chunks; of a large audience the members as of its position."""
    if not event.everyone and event.topics is None:
        yield event.recipients or []
        return
    newest = await connection.fetchval(FANOUT, event.notification) or 0
    cursor: int | None = 0
    while cursor is not None:
        cursor, subscribers = await connection.fetchrow(
            CHUNK_OF, event.topics or [], event.position, cursor, CHUNK, event.everyone, event.project, newest, event.recipients or []
        )
        yield subscribers


async def replay_mark(connection: Connection, event: LogEvent) -> None:
    action: Action = event.type.removeprefix("inbox.")  # type: ignore[assignment]
    [subscriber] = event.recipients or [0]
    internal = msgspec.json.decode(event.internal or "{}")
    at = datetime.fromisoformat(msgspec.json.decode(event.data)["at"])
    await connection.execute(LOCK, event.project, subscriber)
    if "ids" in internal:
        await connection.execute(CHANGE[action], subscriber, internal["ids"], at)
        return
    pending = internal.get("pending", [])
    await connection.execute("UPDATE inbox SET apart = true WHERE subscriber = $1 AND id = ANY($2::uuid[])", subscriber, pending)
    await connection.execute(MOVE[action], subscriber, internal["up_to"], at)
    await connection.execute(SETTLE_APART[action], subscriber, internal["up_to"], at, pending)
