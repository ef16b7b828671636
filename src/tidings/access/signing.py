"""The deployment's own Ed25519 keys that sign subscriber tokens: made on first need, rotated with overlap, published as JWKS.

The private half is sealed under the deployment's secret. A retired key signs no more, but verifies until every token it signed has ended:
another process may go on signing with it for a minute, and a token lives 15.
"""

from datetime import timedelta
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from loguru import logger

from tidings.access.public_keys import base64url
from tidings.access.structs import JsonWebKey, JsonWebKeys
from tidings.platform.ids import random_id
from tidings.platform.postgres import Connection, Database
from tidings.platform.secrets import CannotOpen, open_sealed, seal

PURPOSE = "signing-key"
VERIFIES_AFTER_RETIREMENT = timedelta(minutes=20)
ROTATE_AFTER = timedelta(days=90)
LOCK = "SELECT pg_advisory_xact_lock(7463726401)"
NEWEST = """
SELECT kid, sealed_private_key, created_at < now() - $1::interval AS is_old
FROM signing_keys WHERE retired_at IS NULL ORDER BY created_at DESC, kid
"""
PUBLISHED = (
    "SELECT kid, public_key FROM signing_keys WHERE retired_at IS NULL OR retired_at > now() - $1::interval ORDER BY created_at DESC, kid"
)


class Signer(NamedTuple):
    kid: str
    private_key: Ed25519PrivateKey


async def current_signer(database: Database) -> Signer:
    """The key to sign with. Makes the first one, and a new one when the newest is 90 days old."""
    async with database.system.acquire() as connection:
        signer, is_old = await newest(connection)
    if signer is not None and not is_old:
        return signer
    async with database.system.acquire() as connection, connection.transaction():
        # Two processes that find none make one: the second waits here, and then finds it.
        await connection.execute(LOCK)
        signer, is_old = await newest(connection)
        if signer is not None and not is_old:
            return signer
        return await replace_signing_key(connection)


async def rotate_signing_key(database: Database) -> str:
    """A new key, its kid; those before it are retired. Processes follow within a minute."""
    async with database.system.acquire() as connection, connection.transaction():
        await connection.execute(LOCK)
        return (await replace_signing_key(connection)).kid


async def newest(connection: Connection) -> tuple[Signer | None, bool]:
    for row in await connection.fetch(NEWEST, ROTATE_AFTER):
        try:
            raw = open_sealed(PURPOSE, row["sealed_private_key"])
        except CannotOpen:
            logger.warning("signing key {} was sealed under another secret key and cannot sign; it still verifies", row["kid"])
            continue
        return Signer(row["kid"], Ed25519PrivateKey.from_private_bytes(raw)), row["is_old"]
    return None, False


async def replace_signing_key(connection: Connection) -> Signer:
    private_key = Ed25519PrivateKey.generate()
    signer = Signer(random_id("sk"), private_key)
    public = private_key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    sealed = seal(PURPOSE, private_key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()))
    await connection.execute("UPDATE signing_keys SET retired_at = now() WHERE retired_at IS NULL")
    await connection.execute(
        "INSERT INTO signing_keys (kid, public_key, sealed_private_key) VALUES ($1, $2, $3)", signer.kid, public, sealed
    )
    return signer


async def published_keys(database: Database) -> JsonWebKeys:
    """Every key with which a token may still be verified."""
    await current_signer(database)
    rows = await database.system.fetch(PUBLISHED, VERIFIES_AFTER_RETIREMENT)
    return JsonWebKeys([JsonWebKey(kid=row["kid"], x=base64url(row["public_key"])) for row in rows])
