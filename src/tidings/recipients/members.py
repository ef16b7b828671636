"""Who belongs to a topic, now and at any position of the log.

A call is one change: one row of topic_changes, which the sequencer stamps with the position of the `topic.members` event, and to which
the members point. Set-based throughout: 1,000 members cost the same few statements as one.
"""

from collections.abc import Iterable, Mapping

import msgspec

from tidings.access.principals import KeyHolder
from tidings.errors import Invalid
from tidings.events.entry import NewEvent
from tidings.events.outbox import append
from tidings.platform.keyset import cut, decode_place, encode_place
from tidings.platform.postgres import Connection
from tidings.recipients.locks import joining
from tidings.recipients.resolve import ensure_subscribers, look_up
from tidings.recipients.structs import Member, MemberPage, MembersChange, MembersChanged
from tidings.recipients.topics import unknown_topic

MAKE_TOPIC = (
    "INSERT INTO topics (project, key, created_by) VALUES ($1, $2, $3) ON CONFLICT (project, key) WHERE deleted_at IS NULL DO NOTHING"
)
LOCK_TOPIC = "SELECT id FROM topics WHERE project = $1 AND key = $2 AND deleted_at IS NULL FOR UPDATE"
CHANGE = """
WITH change AS (INSERT INTO topic_changes (project) VALUES ($1) RETURNING id),
joined AS (
    INSERT INTO topic_members (topic, subscriber, project, added_by)
    SELECT $2, who, $1, change.id FROM change, unnest($3::bigint[]) AS who ORDER BY who
    ON CONFLICT (topic, subscriber) WHERE removed_by IS NULL DO NOTHING RETURNING subscriber
), gone AS (
    UPDATE topic_members SET removed_by = change.id FROM change
    WHERE topic = $2 AND subscriber = ANY($4::bigint[]) AND removed_by IS NULL RETURNING subscriber
), counted AS (
    UPDATE topics SET members = members + (SELECT count(*) FROM joined) - (SELECT count(*) FROM gone) WHERE id = $2
)
SELECT (SELECT id FROM change), (SELECT array_agg(subscriber) FROM joined), (SELECT array_agg(subscriber) FROM gone)
"""
PAGE = """
SELECT m.subscriber, s.external_id, s.name, s.email FROM topic_members AS m JOIN subscribers AS s ON s.id = m.subscriber
WHERE m.topic = $1 AND m.removed_by IS NULL AND m.subscriber > $2 ORDER BY m.subscriber LIMIT $3
"""


async def change_members(connection: Connection, holder: KeyHolder, key: str, wanted: MembersChange) -> MembersChanged:
    """Inside the caller's tenant transaction; the topic and unknown people who join are created. Raises Invalid."""
    both = set(wanted.add) & set(wanted.remove)
    if both:
        raise Invalid(f"{min(both)!r} is to be added and removed.", field="remove")
    project = holder.tenant.id
    await joining(connection, project)
    topic = await locked_topic(connection, holder, key)
    joiners = await ensure_subscribers(connection, project, wanted.add, holder.actor)
    leavers = await look_up(connection, project, wanted.remove)
    change, joined, gone = await apply_change(connection, project, topic, joiners.values(), leavers.values())
    if not joined and not gone:
        await connection.execute("DELETE FROM topic_changes WHERE id = $1", change)
        return MembersChanged(0, 0)
    await append(connection, [members_event(holder, key, topic, change, named(joiners, joined), named(leavers, gone))])
    return MembersChanged(len(joined), len(gone))


async def locked_topic(connection: Connection, holder: KeyHolder, key: str) -> int:
    while True:
        topic: int | None = await connection.fetchval(LOCK_TOPIC, holder.tenant.id, key)
        if topic is not None:
            return topic
        # Again afterwards: another transaction may have made it first, or deleted it in between.
        await connection.execute(MAKE_TOPIC, holder.tenant.id, key, holder.actor)


async def apply_change(
    connection: Connection, project: int, topic: int, joiners: Iterable[int], leavers: Iterable[int]
) -> tuple[int, list[int], list[int]]:
    row = await connection.fetchrow(CHANGE, project, topic, sorted(joiners), sorted(leavers))
    assert row is not None
    return row[0], row[1] or [], row[2] or []


def named(by_name: Mapping[str, int], wanted: Iterable[int]) -> dict[str, int]:
    """Those of the wanted, with the ids people know them by."""
    chosen = set(wanted)
    return {name: inner for name, inner in by_name.items() if inner in chosen}


def members_event(holder: KeyHolder, key: str, topic: int, change: int, joined: Mapping[str, int], gone: Mapping[str, int]) -> NewEvent:
    return NewEvent(
        project=holder.tenant.id,
        shard=holder.tenant.shard,
        type="topic.members",
        data=msgspec.json.encode({"topic": key, "added": list(joined), "removed": list(gone)}).decode(),
        internal=msgspec.json.encode({"topic": topic, "added": list(joined.values()), "removed": list(gone.values())}).decode(),
        topics=[topic],
        topic_change=change,
        actor=holder.actor,
    )


async def list_members(connection: Connection, project: int, key: str, after: str | None, limit: int) -> MemberPage:
    """In the order in which they were created. Raises NotFound."""
    place = decode_place(after)
    topic = await connection.fetchval("SELECT id FROM topics WHERE project = $1 AND key = $2 AND deleted_at IS NULL", project, key)
    if topic is None:
        raise unknown_topic(key)
    rows, more = cut(await connection.fetch(PAGE, topic, place, limit + 1), limit)
    return MemberPage(
        [Member(row["external_id"], row["name"], row["email"]) for row in rows], encode_place(rows[-1]["subscriber"]) if more else None
    )
