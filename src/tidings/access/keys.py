"""API keys: made, rotated with overlap, revoked. Only a keyed hash of the secret is stored.

An end of a key is in the log, so that every process forgets it, and ends its open requests, within a second.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from tidings.access.principals import KeyHolder, Tenant
from tidings.access.secret import hash_of, new_secret, shown_part
from tidings.access.structs import SHOWN_ONCE, KeyCreated, KeyInfo, KeyPage, NewKey
from tidings.access.tables import ApiKey
from tidings.errors import Conflict, Forbidden, NotFound
from tidings.events.entry import NewEvent
from tidings.events.outbox import append
from tidings.platform.ids import random_id
from tidings.platform.keyset import cut, decode_place, encode_place
from tidings.platform.postgres import Connection
from tidings.platform.times import future

INSERT = """
INSERT INTO api_keys (project, key, name, prefix, hash, scopes, expires_at, created_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
RETURNING created_at
"""
LOCK = "SELECT key, name, scopes, expires_at, revoked_at, replaced_by, created_at FROM api_keys WHERE project = $1 AND key = $2 FOR UPDATE"


class NewKeyRow(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    scopes: Sequence[str]
    expires_at: datetime | None = None


async def create_key(connection: Connection, holder: KeyHolder, wanted: NewKey) -> KeyCreated:
    """Raises Forbidden for a scope that the maker lacks, Invalid for an end in the past."""
    refuse_escalation(holder, wanted.scopes)
    expires_at = future(wanted.expires_at, datetime.now(UTC), "expires_at")
    row = NewKeyRow(name=wanted.name, scopes=list(dict.fromkeys(wanted.scopes)), expires_at=expires_at)
    created, _ = await insert_key(connection, holder.tenant, row, holder.actor)
    return created


def refuse_escalation(holder: KeyHolder, scopes: Sequence[str]) -> None:
    """Nobody hands on more than they have."""
    for scope in scopes:
        if not holder.may(scope):
            raise Forbidden(f"A key can only give scopes that it has itself; this one lacks {scope}.", scope=scope)


async def insert_key(connection: Connection, tenant: Tenant, wanted: NewKeyRow, actor: str) -> tuple[KeyCreated, str]:
    """The key and its secret. Appends `key.created`, so call it last in a transaction."""
    secret, key = new_secret(), random_id("key")
    created_at = await connection.fetchval(
        INSERT, tenant.id, key, wanted.name, shown_part(secret), hash_of(secret), list(wanted.scopes), wanted.expires_at, actor
    )
    await append(connection, [key_event(tenant, "key.created", actor, {"key": key, "name": wanted.name, "scopes": wanted.scopes})])
    created = KeyCreated(
        key=key,
        name=wanted.name,
        prefix=shown_part(secret),
        scopes=list(wanted.scopes),
        expires_at=wanted.expires_at,
        created_at=created_at,
        secret=secret,
    )
    return created, secret


def without_secret(created: KeyCreated) -> KeyCreated:
    """As it is kept for a repeated request."""
    return msgspec.structs.replace(created, secret=msgspec.UNSET, note=SHOWN_ONCE)


async def rotate_key(connection: Connection, holder: KeyHolder, key: str, overlap_s: int) -> KeyCreated:
    """A new key with the scopes and the lifetime of the old one, which ends after the overlap.

    Raises NotFound; Conflict when the old key has ended or was rotated already; Forbidden when it has scopes that the caller lacks.
    """
    old = await locked_key(connection, holder.tenant, key)
    now = datetime.now(UTC)
    refuse_escalation(holder, old["scopes"])
    if old["revoked_at"] is not None or (old["expires_at"] is not None and old["expires_at"] <= now):
        raise Conflict(f"{key} has ended; make a new key instead.")
    if old["replaced_by"] is not None:
        raise Conflict(f"{key} was rotated already: {old['replaced_by']} took its place.", replaced_by=old["replaced_by"])
    ends_at = now + timedelta(seconds=overlap_s)
    expires_at = None
    if old["expires_at"] is not None:
        expires_at = now + (old["expires_at"] - old["created_at"])
        ends_at = min(ends_at, old["expires_at"])
    row = NewKeyRow(name=old["name"], scopes=old["scopes"], expires_at=expires_at)
    created, _ = await insert_key(connection, holder.tenant, row, holder.actor)
    await connection.execute(
        "UPDATE api_keys SET expires_at = $3, replaced_by = $4 WHERE project = $1 AND key = $2", holder.tenant.id, key, ends_at, created.key
    )
    data = {"key": key, "replaced_by": created.key, "ends_at": ends_at}
    await append(connection, [key_event(holder.tenant, "key.rotated", holder.actor, data)])
    return created


async def revoke_key(connection: Connection, tenant: Tenant, key: str, actor: str) -> bool:
    """End it now. False when it was revoked before. Raises NotFound."""
    old = await locked_key(connection, tenant, key)
    if old["revoked_at"] is not None:
        return False
    await connection.execute("UPDATE api_keys SET revoked_at = now() WHERE project = $1 AND key = $2", tenant.id, key)
    await append(connection, [key_event(tenant, "key.revoked", actor, {"key": key})])
    return True


async def locked_key(connection: Connection, tenant: Tenant, key: str) -> Any:
    row = await connection.fetchrow(LOCK, tenant.id, key)
    if row is None:
        raise NotFound(f"There is no API key {key[:80]!r}.")
    return row


def key_event(tenant: Tenant, kind: str, actor: str, data: dict[str, Any]) -> NewEvent:
    return NewEvent(project=tenant.id, shard=tenant.shard, type=kind, data=msgspec.json.encode(data).decode(), actor=actor)


COLUMNS = (
    ApiKey.key,
    ApiKey.name,
    ApiKey.prefix,
    ApiKey.scopes,
    ApiKey.expires_at,
    ApiKey.last_used_at,
    ApiKey.revoked_at,
    ApiKey.replaced_by,
    ApiKey.created_by,
    ApiKey.created_at,
)


async def list_keys(project: int, after: str | None, limit: int) -> KeyPage:
    """Inside a tenant transaction."""
    query = ApiKey.select(ApiKey.id, *COLUMNS).where(ApiKey.project == project, ApiKey.id > decode_place(after))
    rows, more = cut(await query.order_by(ApiKey.id).limit(limit + 1), limit)
    return KeyPage([msgspec.convert(row, KeyInfo) for row in rows], encode_place(rows[-1]["id"]) if more else None)
