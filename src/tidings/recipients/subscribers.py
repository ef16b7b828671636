"""People: written one by one or in bulk, read, changed, deleted. All inside the caller's tenant transaction.

Every change locks its row first and appends its event last. A deleted subscriber leaves a tombstone, which keeps tokens of that time
refused; whoever is named so again is someone new.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tidings.access.principals import KeyHolder
from tidings.errors import Invalid, NotFound
from tidings.events.entry import NewEvent
from tidings.events.outbox import append
from tidings.platform.postgres import Connection
from tidings.recipients.locks import no_joining
from tidings.recipients.structs import MAX_ATTRIBUTES_BYTES, BulkDone, NamedSubscriber, SubscriberInfo, SubscriberPatch
from tidings.recipients.tables import Subscriber

COLUMNS = "external_id, email, phone, name, locale, timezone, attributes::text AS attributes, created_at, updated_at"
# The tombstones are read once, not once a person, whatever the plan.
UPSERT = f"""
INSERT INTO subscribers (project, external_id, email, phone, name, locale, timezone, attributes, created_by, tokens_valid_after)
SELECT $1, new.*, $2, gone.at
FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::jsonb[])
     AS new (external_id, email, phone, name, locale, timezone, attributes)
LEFT JOIN (
    SELECT external_id, max(deleted_at) AS at FROM subscribers
    WHERE project = $1 AND external_id = ANY ($3) AND deleted_at IS NOT NULL GROUP BY external_id
) AS gone ON gone.external_id = new.external_id
ORDER BY new.external_id COLLATE "C"
ON CONFLICT (project, external_id) WHERE deleted_at IS NULL DO UPDATE SET
    email = excluded.email, phone = excluded.phone, name = excluded.name, locale = excluded.locale, timezone = excluded.timezone,
    attributes = excluded.attributes, updated_at = now()
RETURNING id, xmax = 0 AS is_new, {COLUMNS}
"""
LOCK = f"SELECT id, {COLUMNS} FROM subscribers WHERE project = $1 AND external_id = $2 AND deleted_at IS NULL FOR UPDATE"
UPDATE = f"""
UPDATE subscribers SET email = $3, phone = $4, name = $5, locale = $6, timezone = $7, attributes = $8::jsonb, updated_at = now()
WHERE project = $1 AND id = $2 RETURNING {COLUMNS}
"""
LOCK_TOPICS = """
SELECT id FROM topics WHERE id IN (SELECT topic FROM topic_members WHERE subscriber = $1 AND removed_by IS NULL) ORDER BY id FOR UPDATE
"""
LEAVE_ALL = """
WITH change AS (INSERT INTO topic_changes (project) SELECT $1 WHERE cardinality($3::bigint[]) > 0 RETURNING id),
closed AS (
    UPDATE topic_members SET removed_by = change.id FROM change
    WHERE topic = ANY($3::bigint[]) AND subscriber = $2 AND removed_by IS NULL RETURNING topic
), counted AS (
    UPDATE topics SET members = members - 1 FROM closed WHERE topics.id = closed.topic
)
SELECT id FROM change
"""


async def put_subscribers(
    connection: Connection, holder: KeyHolder, wanted: Sequence[NamedSubscriber]
) -> list[tuple[SubscriberInfo, bool]]:
    """Write each as a whole; says of each whether it is new. Raises Invalid for attributes that are too large, or an id named twice."""
    check_bulk(wanted)
    # Sorted, so that two transactions writing the same people wait for each other and never in a ring.
    ordered = sorted(wanted, key=lambda one: one.id)
    rows = await connection.fetch(
        UPSERT,
        holder.tenant.id,
        holder.actor,
        [one.id for one in ordered],
        [one.email for one in ordered],
        [one.phone for one in ordered],
        [one.name for one in ordered],
        [one.locale for one in ordered],
        [one.timezone for one in ordered],
        [encoded(one.attributes) for one in ordered],
    )
    changed = [row for row in rows if not row["is_new"]]
    if changed:
        await append(connection, [updated_event(holder, [row["id"] for row in changed], [row["external_id"] for row in changed])])
    return [(info_of(row), row["is_new"]) for row in rows]


async def put_bulk(connection: Connection, holder: KeyHolder, wanted: Sequence[NamedSubscriber]) -> BulkDone:
    written = await put_subscribers(connection, holder, wanted)
    created = sum(is_new for _, is_new in written)
    return BulkDone(created, len(written) - created)


def check_bulk(wanted: Sequence[NamedSubscriber]) -> None:
    seen: set[str] = set()
    for index, one in enumerate(wanted):
        place = f"subscribers[{index}]." if len(wanted) > 1 else ""
        if one.id in seen:
            raise Invalid(f"{one.id!r} is named twice.", field=f"{place}id")
        seen.add(one.id)
        check_attributes(one.attributes, f"{place}attributes")


def check_attributes(attributes: Mapping[str, Any], field: str = "attributes") -> None:
    size = len(msgspec.json.encode(attributes))
    if size > MAX_ATTRIBUTES_BYTES:
        raise Invalid(f"Attributes may have {MAX_ATTRIBUTES_BYTES} bytes as JSON; these have {size}.", field=field)


async def patch_subscriber(connection: Connection, holder: KeyHolder, external_id: str, patch: SubscriberPatch) -> SubscriberInfo:
    """Raises NotFound, and Invalid for attributes that grew too large."""
    row = await connection.fetchrow(LOCK, holder.tenant.id, external_id)
    if row is None:
        raise unknown(external_id)
    now = info_of(row)
    attributes = now.attributes if patch.attributes is msgspec.UNSET else merge_patch(now.attributes, patch.attributes or {})
    if patch.attributes is None:
        attributes = {}
    check_attributes(attributes)
    after = await connection.fetchrow(
        UPDATE,
        holder.tenant.id,
        row["id"],
        kept(patch.email, now.email),
        kept(patch.phone, now.phone),
        kept(patch.name, now.name),
        kept(patch.locale, now.locale),
        kept(patch.timezone, now.timezone),
        encoded(attributes),
    )
    await append(connection, [updated_event(holder, [row["id"]], [external_id])])
    return info_of(after)


def kept(given: str | msgspec.UnsetType | None, now: str | None) -> str | None:
    return now if isinstance(given, msgspec.UnsetType) else given


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7396 §2."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


async def get_subscriber(project: int, external_id: str) -> SubscriberInfo:
    """Raises NotFound."""
    row = await (
        Subscriber.select()
        .where(Subscriber.project == project, Subscriber.external_id == external_id, Subscriber.deleted_at.is_null())
        .first()
    )
    if row is None:
        raise unknown(external_id)
    return info_of(row)


async def delete_subscriber(connection: Connection, holder: KeyHolder, external_id: str) -> None:
    """Leave a tombstone, leave every topic, empty the inbox, forget their browsers. One change of membership for all topics: it is
    stamped with the position of `subscriber.deleted`. Raises NotFound.
    """
    tenant = holder.tenant
    # Nobody joins a topic meanwhile, so the topics found here are all there are; topics are locked before the person, as everywhere.
    await no_joining(connection, tenant.id)
    inner = await connection.fetchval(
        "SELECT id FROM subscribers WHERE project = $1 AND external_id = $2 AND deleted_at IS NULL", tenant.id, external_id
    )
    if inner is None:
        raise unknown(external_id)
    topics = await connection.fetch(LOCK_TOPICS, inner)
    await connection.execute(
        """UPDATE subscribers SET deleted_at = clock_timestamp(), updated_at = now(), tokens_valid_after = clock_timestamp(),
        email = NULL, phone = NULL, name = NULL, locale = NULL, timezone = NULL, attributes = '{}' WHERE id = $1""",
        inner,
    )
    await connection.execute("DELETE FROM inbox_states WHERE subscriber = $1", inner)
    await connection.execute("DELETE FROM inbox WHERE subscriber = $1", inner)
    await connection.execute("DELETE FROM push_subscriptions WHERE subscriber = $1", inner)
    change = await connection.fetchval(LEAVE_ALL, tenant.id, inner, [row["id"] for row in topics])
    event = NewEvent(
        project=tenant.id,
        shard=tenant.shard,
        type="subscriber.deleted",
        data=msgspec.json.encode({"subscriber": external_id}).decode(),
        actor=holder.actor,
        recipients=[inner],
        internal=msgspec.json.encode({"topics": [row["id"] for row in topics]}).decode(),
        topic_change=change,
    )
    await append(connection, [event])


def updated_event(holder: KeyHolder, inner: Sequence[int], external_ids: Sequence[str]) -> NewEvent:
    data = {"subscriber": external_ids[0]} if len(external_ids) == 1 else {"subscribers": external_ids}
    return NewEvent(
        project=holder.tenant.id,
        shard=holder.tenant.shard,
        type="subscriber.updated",
        data=msgspec.json.encode(data).decode(),
        actor=holder.actor,
        recipients=inner,
    )


def unknown(external_id: str) -> NotFound:
    return NotFound(f"There is no subscriber {external_id[:255]!r}.")


def encoded(attributes: Mapping[str, Any]) -> str:
    return msgspec.json.encode(attributes).decode()


def info_of(row: Mapping[str, Any]) -> SubscriberInfo:
    return SubscriberInfo(
        id=row["external_id"],
        email=row["email"],
        phone=row["phone"],
        name=row["name"],
        locale=row["locale"],
        timezone=row["timezone"],
        attributes=msgspec.json.decode(row["attributes"]),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
