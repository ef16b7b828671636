"""What a credential points at, read for many callers at once. The project is not known before, so these run on the system pool."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tidings.access.principals import KeyHolder, Tenant
from tidings.access.signing import VERIFIES_AFTER_RETIREMENT
from tidings.access.tokens import VerifyingKey, refused
from tidings.platform.postgres import Database


class KnownKey(NamedTuple):
    """An API key. id: inner number. ends_at: of its life, or of the overlap after a rotation."""

    id: int
    holder: KeyHolder
    ends_at: datetime | None
    is_revoked: bool


class Sighting(NamedTuple):
    """Someone named by a token of that time; created by the actor if unknown."""

    project: int
    external_id: str
    issued_at: float
    actor: str


class KnownSubscriber(NamedTuple):
    """valid_after: tokens issued before it are refused; seconds since 1970, 0 for never."""

    id: int
    valid_after: float


KEYS = """
SELECT hash, k.id, k.key, scopes, expires_at, revoked_at IS NOT NULL AS is_revoked, p.id AS project, p.key AS project_key, p.shard
FROM api_keys AS k JOIN projects AS p ON p.id = k.project WHERE hash = ANY($1::bytea[])
"""
TENANTS = "SELECT id, key, shard FROM projects WHERE key = ANY($1::text[])"
VERIFYING_KEYS = """
SELECT kid, public_key, NULL::int AS project, NULL AS project_key, NULL::smallint AS shard FROM signing_keys
WHERE kid = ANY($1::text[]) AND (retired_at IS NULL OR retired_at > now() - $2::interval)
UNION ALL
SELECT kid, public_key, p.id, p.key, p.shard FROM public_keys AS k JOIN projects AS p ON p.id = k.project
WHERE kid = ANY($1::text[]) AND revoked_at IS NULL
"""
# A token made before its subscriber was deleted must not bring the subscriber back.
SIGN_IN = """
WITH wanted AS (
    SELECT * FROM unnest($1::int[], $2::text[], $3::timestamptz[], $4::text[]) WITH ORDINALITY AS w (project, external_id, issued_at, actor, place)
), known AS (
    SELECT s.project, s.external_id, s.id, s.tokens_valid_after FROM wanted AS w
    JOIN subscribers AS s ON s.project = w.project AND s.external_id = w.external_id AND s.deleted_at IS NULL
), unknown AS (
    SELECT w.*, gone.at FROM wanted AS w, LATERAL (
        SELECT max(deleted_at) AS at FROM subscribers AS s
        WHERE s.project = w.project AND s.external_id = w.external_id AND s.deleted_at IS NOT NULL
    ) AS gone
    WHERE NOT EXISTS (SELECT FROM known WHERE known.project = w.project AND known.external_id = w.external_id)
), made AS (
    INSERT INTO subscribers (project, external_id, created_by, tokens_valid_after)
    SELECT project, external_id, actor, at FROM unknown WHERE at IS NULL OR issued_at >= at ORDER BY place
    ON CONFLICT (project, external_id) WHERE deleted_at IS NULL DO NOTHING
    RETURNING project, external_id, id, tokens_valid_after
)
SELECT * FROM known UNION ALL SELECT * FROM made
UNION ALL SELECT project, external_id, NULL, at FROM unknown WHERE issued_at < at
"""


async def find_keys(database: Database, hashes: Sequence[bytes]) -> Mapping[bytes, KnownKey | None]:
    """None for a hash that no key has."""
    found: dict[bytes, KnownKey | None] = dict.fromkeys(hashes)
    for row in await database.system.fetch(KEYS, hashes):
        holder = KeyHolder(Tenant(row["project"], row["project_key"], row["shard"]), row["key"], frozenset(row["scopes"]))
        found[row["hash"]] = KnownKey(row["id"], holder, row["expires_at"], row["is_revoked"])
    return found


async def find_tenants(database: Database, keys: Sequence[str]) -> Mapping[str, Tenant | None]:
    found: dict[str, Tenant | None] = dict.fromkeys(keys)
    found.update((row["key"], Tenant(row["id"], row["key"], row["shard"])) for row in await database.system.fetch(TENANTS, keys))
    return found


async def find_verifying_keys(database: Database, kids: Sequence[str]) -> Mapping[str, VerifyingKey | None]:
    found: dict[str, VerifyingKey | None] = dict.fromkeys(kids)
    for row in await database.system.fetch(VERIFYING_KEYS, kids, VERIFIES_AFTER_RETIREMENT):
        tenant = None if row["project"] is None else Tenant(row["project"], row["project_key"], row["shard"])
        found[row["kid"]] = VerifyingKey(row["kid"], Ed25519PublicKey.from_public_bytes(row["public_key"]), tenant)
    return found


async def sign_in(database: Database, sightings: Sequence[Sighting]) -> Mapping[Sighting, KnownSubscriber | Exception]:
    """Each one's inner id; an unknown subscriber is created, one that was deleted after the token was made is refused."""
    answers: dict[Sighting, KnownSubscriber | Exception] = {}
    # Sorted, so that two processes creating the same people wait for each other and never in a ring.
    missing = sorted(sightings)
    while missing:
        found = await sign_in_once(database, missing)
        for sighting in missing:
            known = found.get((sighting.project, sighting.external_id))
            if known is not None:
                answers[sighting] = known if known.id else refused("revoked", "The token's subscriber was deleted after it was issued.")
        # Created by another process between our snapshot and our insert: the next statement sees it.
        missing = [sighting for sighting in missing if sighting not in answers]
    return answers


async def sign_in_once(database: Database, sightings: Sequence[Sighting]) -> dict[tuple[int, str], KnownSubscriber]:
    rows = await database.system.fetch(
        SIGN_IN,
        [one.project for one in sightings],
        [one.external_id for one in sightings],
        [datetime.fromtimestamp(one.issued_at, UTC) for one in sightings],
        [one.actor for one in sightings],
    )
    found: dict[tuple[int, str], KnownSubscriber] = {}
    for project, external_id, inner, valid_after in rows:
        if inner is not None or (project, external_id) not in found:
            found[project, external_id] = KnownSubscriber(inner or 0, valid_after.timestamp() if valid_after else 0.0)
    return found
