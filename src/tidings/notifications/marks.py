"""Seen, read, unread, archived, clicked: changes of state that a subscriber makes, each of them an event.

Two devices at once are put in order by the lock on the subscriber's state row. A mark of few items changes their rows, and its event
names them; "all read" over thousands moves a watermark instead (100,000 rows would take half a second), and its event names the
watermark. Either way the event says exactly what changed, so that a rebuild ends with equal rows.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from tidings.access.principals import SubscriberSession
from tidings.errors import Invalid, NotFound
from tidings.events.entry import NewEvent
from tidings.events.outbox import append
from tidings.notifications.counts import counts_of, lock_state
from tidings.notifications.state import (
    COUNTED_TO,
    FIRST_ID,
    HERE,
    READ_AT,
    SEEN_AT,
    TOTAL_OF,
    UNREAD,
    UNREAD_OF,
    UNSEEN,
    UNSEEN_OF,
)
from tidings.notifications.structs import Counts, Mark, Marked
from tidings.platform.postgres import Connection

Action = Literal["seen", "read", "unread", "archived", "unarchived", "clicked"]

# More items than this move a watermark (seen, read) or are changed in several steps (unread, archived), an event each.
STEP = 2000

# What an action asks of an item, and what it does to it. $3 is the time.
CHANGES: dict[Action, tuple[str, str]] = {
    "seen": (UNSEEN, "seen_at = $3"),
    "read": (UNREAD, f"read_at = $3, seen_at = coalesce({SEEN_AT}, $3)"),
    # Own columns only from here on (apart), so the watermark's times are taken along.
    "unread": (f"NOT {UNREAD}", f"read_at = NULL, seen_at = coalesce({SEEN_AT}, $3), apart = true"),
    "archived": (HERE, f"archived_at = $3, seen_at = {SEEN_AT}, read_at = {READ_AT}, apart = true"),
    "unarchived": (f"NOT {HERE}", "archived_at = NULL"),
    # Kept so that each item is told of once.
    "clicked": ("i.clicked_at IS NULL", "clicked_at = $3"),
}


def change_sql(action: Action) -> str:
    """Change items and keep the sums right; answers the ids that were not so before. $1 subscriber, $2 ids, $3 time."""
    needs, change = CHANGES[action]
    return f"""
    WITH before AS MATERIALIZED (
        SELECT i.id, {HERE} AS here, {UNSEEN} AS unseen, {UNREAD} AS unread
        FROM inbox i LEFT JOIN inbox_states s ON s.subscriber = i.subscriber
        WHERE i.subscriber = $1 AND i.id = ANY($2::uuid[]) AND {needs}
        ORDER BY i.id FOR UPDATE OF i
    ), changed AS (
        UPDATE inbox i SET {change} FROM before, inbox_states s
        WHERE i.subscriber = $1 AND i.id = before.id AND s.subscriber = $1 AND $3::timestamptz IS NOT NULL
        RETURNING i.id, i.seen_at, i.read_at, i.archived_at, i.apart
    ), delta AS (
        SELECT sum({HERE}::int - b.here::int) AS total,
               sum(({HERE} AND {UNSEEN})::int - (b.here AND b.unseen)::int) AS unseen,
               sum(({HERE} AND {UNREAD})::int - (b.here AND b.unread)::int) AS unread
        FROM changed i JOIN before b ON b.id = i.id JOIN inbox_states s ON s.subscriber = $1
        WHERE i.id <= s.counted_to
    ), corrected AS (
        UPDATE inbox_states SET total = inbox_states.total + delta.total, unseen = inbox_states.unseen + delta.unseen,
            unread = inbox_states.unread + delta.unread
        FROM delta WHERE subscriber = $1 AND delta.total IS NOT NULL
    )
    SELECT id::text FROM changed ORDER BY id
    """


CHANGE: dict[Action, str] = {action: change_sql(action) for action in CHANGES}


class Step(msgspec.Struct, frozen=True):
    """Part of a mark, an event of its own. internal: what a rebuild needs. shown: how the subscriber's devices are told which."""

    changed: int
    shown: dict[str, object]
    internal: dict[str, object]


async def mark(connection: Connection, session: SubscriberSession, action: Action, which: Mark, at: datetime) -> Marked:
    """Change the state of items, in the caller's transaction. Raises Invalid, or NotFound for an `up_to` that is not in the inbox."""
    project, subscriber = session.tenant.id, session.subscriber
    watermarks = await lock_state(connection, project, subscriber)
    if which.ids is not None and which.up_to is None:
        steps = [await mark_items(connection, subscriber, action, valid_ids(which.ids), at)]
    elif which.up_to is not None and which.ids is None:
        steps = await mark_up_to(connection, project, subscriber, action, which.up_to, watermarks, at)
    else:
        raise Invalid('Say which items: {"ids": […]} or {"up_to": "…"}, one of the two.', field="ids")
    counts = (await counts_of(connection, [subscriber])).get(subscriber, Counts())
    await append(connection, [event_of(session, action, step, counts, at) for step in steps if step.changed])
    return Marked(sum(step.changed for step in steps), counts)


def valid_ids(ids: Sequence[str]) -> list[str]:
    """Canonical ids. Raises Invalid, naming the one that is none."""
    return [valid_id(text, f"ids[{index}]") for index, text in enumerate(ids)]


def valid_id(text: str, field: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise Invalid(f"{text[:80]!r} is no id of an inbox item.", field=field) from None


async def mark_items(connection: Connection, subscriber: int, action: Action, ids: Sequence[str], at: datetime) -> Step:
    changed = [row[0] for row in await connection.fetch(CHANGE[action], subscriber, ids, at)]
    return Step(len(changed), {"ids": changed}, {"ids": changed})


async def mark_up_to(
    connection: Connection, project: int, subscriber: int, action: Action, up_to: str, watermarks: tuple[str, str, str], at: datetime
) -> list[Step]:
    up_to = valid_id(up_to, "up_to")
    if not await connection.fetchval("SELECT EXISTS (SELECT FROM inbox WHERE subscriber = $1 AND id = $2::uuid)", subscriber, up_to):
        raise NotFound(f"There is no item {up_to} in this inbox.", field="up_to")
    steps: list[Step] = []
    while True:
        ids = await candidates(connection, subscriber, action, up_to)
        if len(ids) > STEP and action in ("seen", "read"):
            return [*steps, await move_watermark(connection, project, subscriber, action, up_to, watermarks[2], at)]
        if not ids:
            return steps
        steps.append(await mark_items(connection, subscriber, action, ids[:STEP], at))
        if len(ids) <= STEP:
            return steps


# How many items an action can change at most, of those here. The kept sums tell it at once, and a search ends when it has found so many:
# when every item was seen or read by itself, it would otherwise walk all 100,000 to find that nothing is left.
AT_MOST: dict[Action, str] = {"seen": UNSEEN_OF, "read": UNREAD_OF, "unread": f"{TOTAL_OF} - {UNREAD_OF}", "archived": TOTAL_OF}
KEPT: dict[Action, str] = {"seen": "s.unseen", "read": "s.unread", "unread": "s.total - s.unread", "archived": "s.total"}


def candidates_sql(action: Action) -> str:
    """The newest items up to and including one that the action would change; one more than a step, to tell that there are more.

    $1 subscriber, $2 up to this id. A watermark's covered items are not walked: what it leaves is above it, or stands apart.
    """
    needs = CHANGES[action][0]
    if action == "unarchived":
        return f"{items_sql(needs)} LIMIT {STEP + 1}"
    most = f"LIMIT (SELECT least({STEP + 1}, most) FROM can)"
    found = f"{items_sql(f'{HERE} AND {needs}')} {most}"
    if action in ("seen", "read"):
        above = f"(SELECT coalesce(max({action}_up_to::text), '{FIRST_ID}')::uuid FROM inbox_states WHERE subscriber = $1)"
        found = f"""
        SELECT * FROM ({items_sql(f"i.id > {above} AND {HERE} AND i.{action}_at IS NULL")} {most}) AS above
        UNION
        SELECT * FROM ({items_sql(f"i.apart AND {HERE} AND i.{action}_at IS NULL")} {most}) AS apart
        ORDER BY id DESC {most}
        """
    return f"""
    WITH can AS MATERIALIZED (
        SELECT {KEPT[action]} + later.count AS most FROM inbox_states s CROSS JOIN LATERAL (
            SELECT {AT_MOST[action]} AS count FROM inbox i WHERE i.subscriber = $1 AND i.id <= $2::uuid AND i.id > {COUNTED_TO}
        ) AS later WHERE s.subscriber = $1
    ) {found}
    """


def items_sql(which: str) -> str:
    return f"""
    SELECT i.id::text FROM inbox i LEFT JOIN inbox_states s ON s.subscriber = i.subscriber
    WHERE i.subscriber = $1 AND i.id <= $2::uuid AND {which} ORDER BY i.id DESC"""


async def candidates(connection: Connection, subscriber: int, action: Action, up_to: str) -> list[str]:
    return [row[0] for row in await connection.fetch(candidates_sql(action), subscriber, up_to)]


# Items after the old sums and up to the new watermark are counted; the sums themselves tell the rest, unless the watermark ends
# before `counted_to`. $2 is the watermark.
BEFORE_WATERMARK = f"""
SELECT count(*) FILTER (WHERE {HERE} AND {UNSEEN}) AS unseen, count(*) FILTER (WHERE {HERE} AND {UNREAD}) AS unread
FROM inbox i LEFT JOIN inbox_states s ON s.subscriber = i.subscriber
WHERE i.subscriber = $1 AND i.id <= $2::uuid AND i.id > $3::uuid
"""


async def move_watermark(
    connection: Connection, project: int, subscriber: int, action: Action, up_to: str, counted_to: str, at: datetime
) -> Step:
    """Cover everything up to an item. Large audiences still being written are left out: their items arrive apart."""
    pending = await unwritten(connection, project, subscriber, up_to)
    # Once the watermark is past `counted_to`, nothing that was summed is unseen (or unread) any more.
    passes_sums = up_to >= counted_to
    begin = counted_to if passes_sums else FIRST_ID
    covered = await connection.fetchrow(BEFORE_WATERMARK, subscriber, up_to, begin)
    sums = await connection.fetchrow("SELECT unseen, unread FROM inbox_states WHERE subscriber = $1", subscriber)
    await connection.execute(MOVE[action], subscriber, up_to, at)
    await connection.execute(SETTLE_APART[action], subscriber, up_to, at, pending)
    unseen_left = 0 if passes_sums else sums["unseen"] - covered["unseen"]
    # What is only seen stays as unread as it was.
    unread_left = sums["unread"] if action == "seen" else 0 if passes_sums else sums["unread"] - covered["unread"]
    await connection.execute("UPDATE inbox_states SET unseen = $2, unread = $3 WHERE subscriber = $1", subscriber, unseen_left, unread_left)
    what = "unread" if action == "read" else "unseen"
    changed = covered[what] + (sums[what] if passes_sums else 0)
    return Step(changed, {"up_to": up_to}, {"up_to": up_to, "pending": pending})


SEEN_WATERMARK = """
    seen_up_to_at = CASE WHEN seen_up_to IS NULL OR $2::uuid > seen_up_to THEN $3 ELSE seen_up_to_at END,
    seen_up_to = greatest(seen_up_to, $2::uuid)"""
READ_WATERMARK = SEEN_WATERMARK.replace("seen_", "read_")
MOVE: dict[Action, str] = {
    "seen": f"UPDATE inbox_states SET {SEEN_WATERMARK} WHERE subscriber = $1",
    "read": f"UPDATE inbox_states SET {SEEN_WATERMARK}, {READ_WATERMARK} WHERE subscriber = $1",
}
# Items that stand apart are not covered by the watermark; they are few. $4: those that are to be left alone.
APART = "subscriber = $1 AND id <= $2::uuid AND apart AND archived_at IS NULL AND id <> ALL($4::uuid[])"
SETTLE_APART: dict[Action, str] = {
    "seen": f"UPDATE inbox SET seen_at = $3 WHERE {APART} AND seen_at IS NULL",
    "read": f"""UPDATE inbox SET read_at = coalesce(read_at, $3), seen_at = coalesce(seen_at, $3)
        WHERE {APART} AND (read_at IS NULL OR seen_at IS NULL)""",
}


async def unwritten(connection: Connection, project: int, subscriber: int, up_to: str) -> list[str]:
    """Notifications up to an id whose audience is still being written and that this inbox has not got yet.

    FOR SHARE waits for the chunk being written, so that an item is either here or will find the watermark when it comes.
    """
    rows = await connection.fetch(
        """SELECT notification::text FROM fanouts
        WHERE project = $1 AND done_at IS NULL AND kind = 'deliver' AND notification <= $2::uuid FOR SHARE""",
        project,
        up_to,
    )
    unfinished = [row[0] for row in rows]
    if not unfinished:
        return []
    here = await connection.fetch("SELECT id::text FROM inbox WHERE subscriber = $1 AND id = ANY($2::uuid[])", subscriber, unfinished)
    return sorted(set(unfinished) - {row[0] for row in here})


def event_of(session: SubscriberSession, action: Action, step: Step, counts: Counts, at: datetime) -> NewEvent:
    shown = {"subscriber": session.external_id, "at": at, "changed": step.changed, "counts": counts} | step.shown
    return NewEvent(
        project=session.tenant.id,
        shard=session.tenant.shard,
        type=f"inbox.{action}",
        recipients=[session.subscriber],
        data=msgspec.json.encode(shown).decode(),
        internal=msgspec.json.encode(step.internal).decode(),
        actor=session.actor,
    )
