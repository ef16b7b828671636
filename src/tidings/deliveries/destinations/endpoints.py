"""Endpoints: made, read, changed, deleted. All inside the caller's tenant transaction.

Whoever changes one locks its lane first and then its own row, as the workers do that disable it.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from tidings.access.principals import KeyHolder, Tenant
from tidings.deliveries.destinations.event_types import checked_events
from tidings.deliveries.destinations.own_headers import checked_headers, merged
from tidings.deliveries.destinations.signing_keys import Sealed, Signature, first_key, seal, unseal, verifier
from tidings.deliveries.destinations.structs import (
    MOST_COUNTED,
    SHOWN_BEFORE,
    EndpointCreated,
    EndpointDetail,
    EndpointInfo,
    EndpointPage,
    EndpointPatch,
    LastFailure,
    NewEndpoint,
    Waiting,
)
from tidings.errors import Invalid, NotFound
from tidings.events.entry import NewEvent
from tidings.events.outbox import append
from tidings.outbound.errors import Blocked
from tidings.outbound.networks import Policy
from tidings.outbound.urls import check_url
from tidings.platform.ids import random_id
from tidings.platform.keyset import cut, decode_place, encode_place
from tidings.platform.postgres import Connection
from tidings.vault import Vault

T = TypeVar("T")
# Raises Invalid.
UrlCheck = Callable[[str], None]

# A real as text is the number that was given: 0.1, and not 0.10000000149.
COLUMNS = """d.id, d.key, d.config::text, d.description, d.events, d.rate::text::float8 AS rate, d.at_once, d.schedule, d.order_by,
    d.disabled_at, d.disabled_as, d.created_by, d.created_at, d.updated_at, l.breaker, l.failing_since"""
LIVING = "d.project = $1 AND d.connector = 'webhook' AND d.deleted_at IS NULL"
JOINED = "destinations d JOIN lanes l ON l.destination = d.id"
GET = f"SELECT {COLUMNS} FROM {JOINED} WHERE {LIVING} AND d.key = $2"
LIST = f"SELECT {COLUMNS} FROM {JOINED} WHERE {LIVING} AND d.id > $2 ORDER BY d.id LIMIT $3"
LOCK_LANE = f"SELECT l.destination FROM lanes l JOIN destinations d ON d.id = l.destination WHERE {LIVING} AND d.key = $2 FOR UPDATE OF l"
LOCK = f"SELECT {COLUMNS}, d.secrets FROM {JOINED} WHERE {LIVING} AND d.id = $2 FOR UPDATE OF d"
INSERT = """
WITH new AS (
    INSERT INTO destinations (project, key, connector, config, secrets, events, description, rate, at_once, schedule, order_by, created_by)
    VALUES ($1, $2, 'webhook', $3::json, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING id
)
INSERT INTO lanes (destination, project, connector) SELECT id, $1, 'webhook' FROM new
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
SELECT (SELECT count(*) FROM (SELECT FROM deliveries WHERE destination = $1 AND state = 'pending' LIMIT {MOST_COUNTED}) AS p),
       (SELECT count(*) FROM (SELECT FROM deliveries WHERE destination = $1 AND state = 'held' LIMIT {MOST_COUNTED}) AS h)
"""
LAST_FAILURE = """
WITH newest AS MATERIALIZED (SELECT id, state, reason FROM deliveries WHERE destination = $1 ORDER BY id DESC LIMIT 200)
SELECT id::text, reason FROM newest WHERE state IN ('pending', 'dead') AND reason IS NOT NULL ORDER BY id DESC LIMIT 1
"""


class Config(msgspec.Struct, frozen=True):
    """What stands open in `destinations.config`. headers: names alone."""

    url: str
    signature: Signature
    headers: list[str] = []


async def create_endpoint(connection: Connection, holder: KeyHolder, vault: Vault, check: UrlCheck, wanted: NewEndpoint) -> EndpointCreated:
    """Raises Invalid for a URL, an event, a header or a secret that cannot be."""
    check(wanted.url)
    events, headers = checked_events(wanted.events), checked_headers(wanted.headers)
    signing = first_key(wanted.signature, wanted.secret)
    key, project = random_id("ep"), holder.tenant.id
    await connection.execute(
        INSERT,
        project,
        key,
        encoded(Config(wanted.url, wanted.signature, list(headers))),
        await seal(vault, connection, project, key, Sealed([signing], headers)),
        events,
        wanted.description,
        wanted.rate,
        wanted.at_once,
        wanted.schedule,
        wanted.order_by,
        holder.actor,
    )
    info = info_of(await connection.fetchrow(GET, project, key))
    await append(connection, [endpoint_event(holder, "endpoint.created", key)])
    return EndpointCreated(**msgspec.structs.asdict(info), **verifier(signing))


def url_check(policy: Policy) -> UrlCheck:
    """What refuses a URL that this deployment does not send to."""

    def check(url: str) -> None:
        try:
            check_url(url, policy)
        except Blocked as error:
            raise Invalid(error.detail, field="url") from None

    return check


def encoded(config: Config) -> str:
    return msgspec.json.encode(config).decode()


def without_secret(created: EndpointCreated) -> EndpointCreated:
    """As it is kept for a repeated request. A public key is none."""
    if created.secret is UNSET:
        return created
    return msgspec.structs.replace(created, secret=UNSET, note=SHOWN_BEFORE)


async def get_endpoint(connection: Connection, tenant: Tenant, key: str) -> EndpointDetail:
    """Raises NotFound."""
    row = await connection.fetchrow(GET, tenant.id, key)
    if row is None:
        raise unknown(key)
    waiting = Waiting(*await connection.fetchrow(COUNT_WAITING, row["id"]))
    failure = await connection.fetchrow(LAST_FAILURE, row["id"])
    return EndpointDetail(
        **msgspec.structs.asdict(info_of(row)), waiting=waiting, last_failure=LastFailure(*failure) if failure is not None else None
    )


async def list_endpoints(connection: Connection, tenant: Tenant, after: str | None, limit: int) -> EndpointPage:
    rows, more = cut(await connection.fetch(LIST, tenant.id, decode_place(after), limit + 1), limit)
    return EndpointPage([info_of(row) for row in rows], encode_place(rows[-1]["id"]) if more else None)


async def locked_endpoint(connection: Connection, tenant: Tenant, key: str) -> Any:
    """Its row, with what is sealed. Raises NotFound."""
    inner = await connection.fetchval(LOCK_LANE, tenant.id, key)
    row = await connection.fetchrow(LOCK, tenant.id, inner) if inner is not None else None
    if row is None:
        raise unknown(key)
    return row


async def patch_endpoint(
    connection: Connection, holder: KeyHolder, vault: Vault, check: UrlCheck, key: str, patch: EndpointPatch
) -> EndpointInfo:
    """Raises NotFound, and Invalid as `create_endpoint` does."""
    row = await locked_endpoint(connection, holder.tenant, key)
    config = msgspec.json.decode(row["config"], type=Config)
    url = kept(patch.url, config.url)
    if url != config.url:
        check(url)
    secrets, names = row["secrets"], config.headers
    if not isinstance(patch.headers, UnsetType):
        sealed = await unseal(vault, connection, holder.tenant.id, key, secrets)
        headers = {} if patch.headers is None else merged(sealed.headers, patch.headers)
        secrets, names = await seal(vault, connection, holder.tenant.id, key, Sealed(sealed.signing, headers)), list(headers)
    await connection.execute(
        UPDATE,
        row["id"],
        encoded(Config(url, config.signature, names)),
        secrets,
        row["events"] if isinstance(patch.events, UnsetType) else checked_events(patch.events),
        kept(patch.description, row["description"]),
        kept(patch.rate, row["rate"]),
        kept(patch.at_once, row["at_once"]),
        kept(patch.schedule, row["schedule"]),
        kept(patch.order_by, row["order_by"]),
    )
    if not isinstance(patch.rate, UnsetType):
        await connection.execute(PACE_ANEW, row["id"])
    info = info_of(await connection.fetchrow(GET, holder.tenant.id, key))
    await append(connection, [endpoint_event(holder, "endpoint.updated", key)])
    return info


def kept(given: T | UnsetType, now: T) -> T:
    return now if isinstance(given, UnsetType) else given


async def delete_endpoint(connection: Connection, holder: KeyHolder, key: str) -> None:
    """Nothing is sent there any more, its secrets are gone; what was sent stays in the ledger. Raises NotFound."""
    row = await locked_endpoint(connection, holder.tenant, key)
    await connection.execute(PAUSE, row["id"])
    await connection.execute(DELETE, row["id"])
    await append(connection, [endpoint_event(holder, "endpoint.deleted", key)])


def endpoint_event(holder: KeyHolder, kind: str, key: str, **more: Any) -> NewEvent:
    data = msgspec.json.encode({"id": key} | more).decode()
    return NewEvent(project=holder.tenant.id, shard=holder.tenant.shard, type=kind, data=data, actor=holder.actor)


def unknown(key: str) -> NotFound:
    return NotFound(f"There is no endpoint {key[:80]!r}.")


def info_of(row: Mapping[str, Any]) -> EndpointInfo:
    config = msgspec.json.decode(row["config"], type=Config)
    return EndpointInfo(
        id=row["key"],
        url=config.url,
        events=row["events"],
        description=row["description"],
        rate=row["rate"],
        at_once=row["at_once"],
        schedule=row["schedule"],
        order_by=row["order_by"],
        signature=config.signature,
        headers=config.headers,
        state="enabled" if row["disabled_at"] is None else "disabled",
        disabled_at=row["disabled_at"],
        disabled_as=row["disabled_as"],
        breaker=row["breaker"],
        failing_since=row["failing_since"],
        created_by=row["created_by"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
