"""The rows of destinations, the same for both kinds: found, locked, made, changed, deleted. All inside the caller's tenant transaction.

Whoever changes one locks its lane first and then its own row, as the workers do that disable it.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from tidings.access.principals import KeyHolder, Tenant
from tidings.deliveries.destinations.kinds import Kind, unknown
from tidings.deliveries.destinations.structs import MOST_COUNTED, DestinationPatch, LastFailure, NewDestination, Waiting
from tidings.deliveries.ledger.channels import TO_PEOPLE
from tidings.deliveries.ledger.ranges import IN_ORDER, of_destination
from tidings.events.entry import NewEvent
from tidings.events.outbox import append
from tidings.platform.ids import random_id
from tidings.platform.keyset import cut, decode_place, encode_place
from tidings.platform.postgres import Connection
from tidings.vault import Place

T = TypeVar("T")

TO_A_PERSON = ", ".join(f"'{channel}'" for channel in sorted(TO_PEOPLE))
# A real as text is the number that was given: 0.1, and not 0.10000000149. in_use: as `ledger/wanted.py` chooses among those of a channel.
COLUMNS = f"""d.id, d.key, d.connector, d.channel, d.config::text, d.description, d.events, d.rate::text::float8 AS rate, d.at_once,
    d.schedule, d.order_by, d.disabled_at, d.disabled_as, d.created_by, d.created_at, d.updated_at, l.breaker, l.failing_since,
    d.channel NOT IN ({TO_A_PERSON}) OR NOT EXISTS (
        SELECT FROM destinations o WHERE o.project = d.project AND o.channel = d.channel AND o.deleted_at IS NULL
          AND (o.disabled_at IS NOT NULL, o.id) < (d.disabled_at IS NOT NULL, d.id)
    ) AS in_use"""
JOINED = "destinations d JOIN lanes l ON l.destination = d.id"
INSERT = """
WITH new AS (
    INSERT INTO destinations (project, key, connector, channel, config, secrets, events, description, rate, at_once, schedule, order_by,
        created_by)
    VALUES ($1, $2, $3, $4, $5::json, $6, $7, $8, $9, $10, $11, $12, $13) RETURNING id
)
INSERT INTO lanes (destination, project, connector) SELECT id, $1, $3 FROM new
"""
UPDATE = """
UPDATE destinations SET config = $2::json, secrets = $3, events = $4, description = $5, rate = $6, at_once = $7, schedule = $8,
    order_by = $9, updated_at = now() WHERE id = $1
"""
# A new rate begins now, not when the old one would have allowed the next attempt.
PACE_ANEW = "UPDATE lanes SET due_at = CASE WHEN due_at IS NOT NULL THEN now() END, next_slot = '-infinity' WHERE destination = $1"
DELETE = "UPDATE destinations SET deleted_at = now(), updated_at = now(), secrets = '' WHERE id = $1"
PAUSE = "UPDATE lanes SET paused = true, due_at = now() WHERE destination = $1"
COUNT_WAITING = f"""
SELECT (SELECT count(*) FROM (SELECT FROM {of_destination("pending")} LIMIT {MOST_COUNTED}) AS p),
       (SELECT count(*) FROM (SELECT FROM {of_destination("held")} LIMIT {MOST_COUNTED}) AS h)
"""
LAST_FAILURE = f"""
WITH newest AS MATERIALIZED (SELECT id, state, reason FROM {of_destination(direction="DESC")} LIMIT 200)
SELECT id::text, reason FROM newest WHERE state IN ('pending', 'dead') AND reason IS NOT NULL ORDER BY id DESC LIMIT 1
"""


def living(kind: Kind) -> str:
    """SQL: those of the project $1 that were not deleted."""
    return f"d.project = $1 AND {kind.which} AND d.deleted_at IS NULL"


async def find(connection: Connection, kind: Kind, tenant: Tenant, key: str, more: str = "") -> Any:
    """more: further columns, each after a comma. Raises NotFound."""
    row = await connection.fetchrow(f"SELECT {COLUMNS}{more} FROM {JOINED} WHERE {living(kind)} AND d.key = $2", tenant.id, key)
    if row is None:
        raise unknown(kind, key)
    return row


async def page(connection: Connection, kind: Kind, tenant: Tenant, after: str | None, limit: int) -> tuple[Sequence[Any], str | None]:
    """In the order in which they were made, and the place of the next page."""
    sql = f"SELECT {COLUMNS} FROM {JOINED} WHERE {living(kind)} AND d.id > $2 ORDER BY d.id LIMIT $3"
    rows, more = cut(await connection.fetch(sql, tenant.id, decode_place(after), limit + 1), limit)
    return rows, encode_place(rows[-1]["id"]) if more else None


async def locked(connection: Connection, kind: Kind, tenant: Tenant, key: str) -> Any:
    """Its row, with what is sealed. Raises NotFound."""
    lane = f"SELECT l.destination FROM {JOINED} WHERE {living(kind)} AND d.key = $2 FOR UPDATE OF l"
    inner = await connection.fetchval(lane, tenant.id, key)
    own = f"SELECT {COLUMNS}, d.secrets FROM {JOINED} WHERE {living(kind)} AND d.id = $2 FOR UPDATE OF d"
    row = await connection.fetchrow(own, tenant.id, inner) if inner is not None else None
    if row is None:
        raise unknown(kind, key)
    return row


def new_key(kind: Kind) -> str:
    return random_id(kind.prefix)


class Content(msgspec.Struct, frozen=True):
    """What a kind alone knows of. config: JSON.   secrets: sealed."""

    config: str
    secrets: bytes
    events: list[str]
    order_by: str | None = None


async def insert(
    connection: Connection, holder: KeyHolder, key: str, connector: str, channel: str, content: Content, wanted: NewDestination
) -> None:
    """A destination and its lane."""
    await connection.execute(
        INSERT,
        holder.tenant.id,
        key,
        connector,
        channel,
        content.config,
        content.secrets,
        content.events,
        wanted.description,
        wanted.rate,
        wanted.at_once,
        wanted.schedule,
        content.order_by,
        holder.actor,
    )


async def update(connection: Connection, row: Any, content: Content, patch: DestinationPatch) -> None:
    """row: as it was."""
    await connection.execute(
        UPDATE,
        row["id"],
        content.config,
        content.secrets,
        content.events,
        kept(patch.description, row["description"]),
        kept(patch.rate, row["rate"]),
        kept(patch.at_once, row["at_once"]),
        kept(patch.schedule, row["schedule"]),
        content.order_by,
    )
    if patch.rate is not UNSET:
        await connection.execute(PACE_ANEW, row["id"])


def kept(given: T | UnsetType, now: T) -> T:
    return now if isinstance(given, UnsetType) else given


async def delete(connection: Connection, kind: Kind, holder: KeyHolder, key: str) -> None:
    """Nothing is sent there any more, its secrets are gone; what was sent stays in the ledger. Raises NotFound."""
    row = await locked(connection, kind, holder.tenant, key)
    await connection.execute(PAUSE, row["id"])
    await connection.execute(DELETE, row["id"])
    await tell(connection, kind, holder, "deleted", key)


async def tell(connection: Connection, kind: Kind, holder: KeyHolder, what: str, key: str, **more: Any) -> None:
    """As in `endpoint.created`. Last in the transaction."""
    data = msgspec.json.encode({"id": key} | more).decode()
    event = NewEvent(project=holder.tenant.id, shard=holder.tenant.shard, type=f"{kind.name}.{what}", data=data, actor=holder.actor)
    await append(connection, [event])


def shown(row: Any) -> dict[str, Any]:
    """The members of DestinationInfo."""
    same = ("description", "rate", "at_once", "schedule", "disabled_at", "disabled_as", "breaker", "failing_since")
    made = ("created_by", "created_at", "updated_at")
    state = "enabled" if row["disabled_at"] is None else "disabled"
    return {"id": row["key"], "state": state} | {name: row[name] for name in same + made}


async def condition(connection: Connection, tenant: Tenant, row: Any) -> dict[str, Any]:
    """How it does: the members that one has when it is looked at alone."""
    async with connection.transaction():
        await connection.execute(IN_ORDER)
        failure = await connection.fetchrow(LAST_FAILURE, tenant.id, row["id"])
        waiting = await connection.fetchrow(COUNT_WAITING, tenant.id, row["id"])
    return {
        "waiting": Waiting(*waiting),
        "last_failure": LastFailure(*failure) if failure is not None else None,
    }


def place_of(key: str) -> Place:
    return Place("destinations", key, "secrets")
