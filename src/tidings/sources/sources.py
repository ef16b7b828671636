"""Sources: made, read, changed, deleted. All inside the caller's tenant transaction."""

from collections.abc import Mapping as Map
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, cast

import msgspec
from msgspec import UnsetType

from tidings.access.principals import KeyHolder, Tenant
from tidings.errors import Invalid, NotFound
from tidings.platform.ids import random_id
from tidings.platform.keyset import cut, decode_place, encode_place
from tidings.platform.postgres import Connection
from tidings.sources.mappings import check_mappings
from tidings.sources.presets import preset_for
from tidings.sources.secrets import Secrets, check_secret, seal, unseal
from tidings.sources.structs import Mapping, NewSource, SourceInfo, SourcePage, SourcePatch, SourceSecretRotated, SourceSecretRotation
from tidings.vault import Vault

COLUMNS = """id, key, kind, name, mappings::text, secrets <> '' AS has_secret,
    CASE WHEN older_until > now() THEN older_until END AS older_until, created_by, created_at, updated_at"""
LIVING = "project = $1 AND deleted_at IS NULL"
GET = f"SELECT {COLUMNS} FROM sources WHERE {LIVING} AND key = $2"
LIST = f"SELECT {COLUMNS} FROM sources WHERE {LIVING} AND id > $2 ORDER BY id LIMIT $3"
LOCK = f"SELECT {COLUMNS}, secrets FROM sources WHERE {LIVING} AND key = $2 FOR UPDATE"
INSERT = f"""
INSERT INTO sources (project, key, kind, name, mappings, secrets, created_by) VALUES ($1, $2, $3, $4, $5::json, $6, $7) RETURNING {COLUMNS}
"""
UPDATE = f"UPDATE sources SET name = $2, mappings = $3::json, updated_at = now() WHERE id = $1 RETURNING {COLUMNS}"
ROTATE = "UPDATE sources SET secrets = $2, older_until = $3, updated_at = now() WHERE id = $1"
DELETE = f"UPDATE sources SET deleted_at = now(), updated_at = now(), secrets = '' WHERE {LIVING} AND key = $2 RETURNING id"


async def create_source(connection: Connection, holder: KeyHolder, vault: Vault, base_url: str, wanted: NewSource) -> SourceInfo:
    """Raises Invalid for a secret or a mapping that cannot be."""
    if wanted.secret is not None:
        check_secret(wanted.kind, wanted.secret)
    mappings = mappings_of(wanted)
    check_mappings(mappings)
    project, key = holder.tenant.id, random_id("src")
    secrets = await seal(vault, connection, project, key, None if wanted.secret is None else Secrets(wanted.secret))
    row = await connection.fetchrow(INSERT, project, key, wanted.kind, wanted.name, encoded(mappings), secrets, holder.actor)
    return info_of(row, base_url)


def mappings_of(wanted: NewSource) -> Sequence[Mapping]:
    """Raises Invalid."""
    if wanted.preset is None:
        return wanted.mappings
    if wanted.mappings:
        raise Invalid("A preset stands for mappings: name it, or give them.", field="preset")
    return preset_for(wanted.kind, wanted.preset)


async def get_source(connection: Connection, tenant: Tenant, base_url: str, key: str) -> SourceInfo:
    """Raises NotFound."""
    return info_of(await row_of(connection, GET, tenant, key), base_url)


async def list_sources(connection: Connection, tenant: Tenant, base_url: str, after: str | None, limit: int) -> SourcePage:
    rows, more = cut(await connection.fetch(LIST, tenant.id, decode_place(after), limit + 1), limit)
    return SourcePage([info_of(row, base_url) for row in rows], encode_place(rows[-1]["id"]) if more else None)


async def patch_source(connection: Connection, tenant: Tenant, base_url: str, key: str, patch: SourcePatch) -> SourceInfo:
    """Raises NotFound, and Invalid for a mapping that cannot be."""
    row = await row_of(connection, LOCK, tenant, key)
    name = row["name"] if isinstance(patch.name, UnsetType) else patch.name
    if isinstance(patch.mappings, UnsetType):
        mappings = row["mappings"]
    else:
        check_mappings(patch.mappings)
        mappings = encoded(patch.mappings)
    return info_of(await connection.fetchrow(UPDATE, row["id"], name, mappings), base_url)


async def delete_source(connection: Connection, tenant: Tenant, key: str) -> None:
    """Its secrets are gone at once, its events with their time. Raises NotFound."""
    await row_of(connection, DELETE, tenant, key)


async def rotate_secret(
    connection: Connection, tenant: Tenant, vault: Vault, key: str, rotation: SourceSecretRotation, now: datetime
) -> SourceSecretRotated:
    """The secret before counts on for the overlap; one older still does not. Raises NotFound, and Invalid for a secret that cannot be."""
    row = await row_of(connection, LOCK, tenant, key)
    check_secret(row["kind"], rotation.secret)
    before = await unseal(vault, connection, tenant.id, key, row["secrets"])
    older_until = now + timedelta(seconds=rotation.overlap) if before is not None and rotation.overlap else None
    secrets = Secrets(rotation.secret, before.newest if before is not None and older_until is not None else None)
    await connection.execute(ROTATE, row["id"], await seal(vault, connection, tenant.id, key, secrets), older_until)
    return SourceSecretRotated(key, older_until)


async def row_of(connection: Connection, statement: str, tenant: Tenant, key: str) -> Map[str, Any]:
    """Raises NotFound."""
    row = await connection.fetchrow(statement, tenant.id, key)
    if row is None:
        raise NotFound(f"There is no source {key[:80]!r}.")
    return cast(Map[str, Any], row)


def encoded(mappings: Sequence[Mapping]) -> str:
    return msgspec.json.encode(mappings).decode()


def decoded(mappings: str) -> list[Mapping]:
    return msgspec.json.decode(mappings, type=list[Mapping])


def info_of(row: Map[str, Any], base_url: str) -> SourceInfo:
    return SourceInfo(
        id=row["key"],
        url=f"{base_url}/v1/inbound/{row['key']}",
        kind=row["kind"],
        name=row["name"],
        mappings=decoded(row["mappings"]),
        has_secret=row["has_secret"],
        older_until=row["older_until"],
        created_by=row["created_by"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
