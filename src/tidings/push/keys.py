"""A project's VAPID key (RFC 8292): a P-256 key with which it shows push services who sends.

Browsers bind a subscription to the public half, so it is made once and kept: another would make every subscription worthless.
"""

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tidings.platform.postgres import Connection
from tidings.vault import Place, Vault

FIND = "SELECT public_key FROM push_keys WHERE project = $1"
CREATE = "INSERT INTO push_keys (project, public_key, private_key) VALUES ($1, $2, $3) ON CONFLICT (project) DO NOTHING"
# One row a project, and a sealed value is bound to its project already.
PRIVATE_KEY = Place("push_keys", "", "private_key")


async def ensure_public_key(connection: Connection, vault: Vault, project: int) -> bytes:
    """The uncompressed point, 65 bytes. Inside a tenant transaction; made when it is first asked for."""
    found: bytes | None = await connection.fetchval(FIND, project)
    if found is None:
        await create_key(connection, vault, project)
        # Another process may have been first: then its key counts.
        found = await connection.fetchval(FIND, project)
    assert found is not None
    return found


async def create_key(connection: Connection, vault: Vault, project: int) -> None:
    private_key = generate_private_key(SECP256R1())
    point = private_key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    plain = private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    await connection.execute(CREATE, project, point, await vault.seal(connection, project, PRIVATE_KEY, plain))
