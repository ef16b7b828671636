"""Topics: named, read, deleted. All inside the caller's tenant transaction."""

from collections.abc import Mapping
from typing import Any

import msgspec

from tidings.access.principals import KeyHolder
from tidings.errors import NotFound
from tidings.events.entry import NewEvent
from tidings.events.outbox import append
from tidings.platform.keyset import cut, decode_place, encode_place
from tidings.platform.postgres import Connection
from tidings.recipients.structs import TopicFields, TopicInfo, TopicPage
from tidings.recipients.tables import Topic

PUT = """
INSERT INTO topics (project, key, name, created_by) VALUES ($1, $2, $3, $4)
ON CONFLICT (project, key) WHERE deleted_at IS NULL DO UPDATE SET name = excluded.name
RETURNING key, name, members, created_at, xmax = 0 AS is_new
"""
DELETE = "UPDATE topics SET deleted_at = now() WHERE project = $1 AND key = $2 AND deleted_at IS NULL RETURNING id"


async def put_topic(connection: Connection, holder: KeyHolder, key: str, fields: TopicFields) -> tuple[TopicInfo, bool]:
    """The topic, and whether it is new. Its name concerns no stream and no inbox, so the log does not tell of it."""
    row = await connection.fetchrow(PUT, holder.tenant.id, key, fields.name, holder.actor)
    assert row is not None
    return topic_of(row), row["is_new"]


async def get_topic(project: int, key: str) -> TopicInfo:
    """Raises NotFound."""
    row = await Topic.select().where(Topic.project == project, Topic.key == key, Topic.deleted_at.is_null()).first()
    if row is None:
        raise unknown_topic(key)
    return topic_of(row)


async def list_topics(project: int, after: str | None, limit: int) -> TopicPage:
    query = Topic.select().where(Topic.project == project, Topic.deleted_at.is_null(), Topic.id > decode_place(after))
    rows, more = cut(await query.order_by(Topic.id).limit(limit + 1), limit)
    return TopicPage([topic_of(row) for row in rows], encode_place(rows[-1]["id"]) if more else None)


async def delete_topic(connection: Connection, holder: KeyHolder, key: str) -> None:
    """Raises NotFound. Its membership rows stay: an earlier notification may still be on its way to those who were members
    then, and nothing reads them after, because a topic of that name that is made again is another one.
    """
    tenant = holder.tenant
    topic = await connection.fetchval(DELETE, tenant.id, key)
    if topic is None:
        raise unknown_topic(key)
    data = msgspec.json.encode({"topic": key}).decode()
    event = NewEvent(project=tenant.id, shard=tenant.shard, type="topic.deleted", data=data, actor=holder.actor, topics=[topic])
    await append(connection, [event])


def unknown_topic(key: str) -> NotFound:
    return NotFound(f"There is no topic {key[:255]!r}.")


def topic_of(row: Mapping[str, Any]) -> TopicInfo:
    return TopicInfo(key=row["key"], name=row["name"], members=row["members"], created_at=row["created_at"])
