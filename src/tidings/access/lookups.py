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
KNOWN = "SELECT project, external_id, id, tokens_valid_after FROM tidings_subscribers($1, $2)"
CREATE = "SELECT project, external_id, id, tokens_valid_after FROM tidings_create_subscribers($1, $2, $3, $4)"


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
        found = await known_subscribers(database, missing)
        strangers = [sighting for sighting in missing if (sighting.project, sighting.external_id) not in found]
        if strangers:
            found |= await create_subscribers(database, strangers)
        for sighting in missing:
            known = found.get((sighting.project, sighting.external_id))
            if known is not None:
                answers[sighting] = known if known.id else refused("revoked", "The token's subscriber was deleted after it was issued.")
        # Created by another process between finding and creating: the next round finds them.
        missing = [sighting for sighting in missing if sighting not in answers]
    return answers


async def known_subscribers(database: Database, sightings: Sequence[Sighting]) -> dict[tuple[int, str], KnownSubscriber]:
    rows = await database.system.fetch(KNOWN, list({one.project for one in sightings}), [one.external_id for one in sightings])
    return {(row[0], row[1]): KnownSubscriber(row[2], seconds(row[3])) for row in rows}


async def create_subscribers(database: Database, sightings: Sequence[Sighting]) -> dict[tuple[int, str], KnownSubscriber]:
    """With the inner id 0 for those whose token is older than their deletion."""
    rows = await database.system.fetch(
        CREATE,
        [one.project for one in sightings],
        [one.external_id for one in sightings],
        [one.actor for one in sightings],
        [datetime.fromtimestamp(one.issued_at, UTC) for one in sightings],
    )
    found: dict[tuple[int, str], KnownSubscriber] = {}
    for project, external_id, inner, valid_after in rows:
        # Two tokens of one person, one older and one newer than the deletion: the newer brought them back, and refuses the older.
        if inner is not None or (project, external_id) not in found:
            found[project, external_id] = KnownSubscriber(inner or 0, seconds(valid_after))
    return found


def seconds(moment: datetime | None) -> float:
    return moment.timestamp() if moment else 0.0
