"""A project's data key: made when it is first needed, kept wrapped by a key of the ring."""

from tidings.platform.postgres import Connection
from tidings.platform.secrets import CannotOpen
from tidings.vault.envelope import bound_to, decrypt, encrypt, new_key
from tidings.vault.ring import Ring

FIND = "SELECT kek, wrapped FROM data_keys WHERE project = $1"
CREATE = "INSERT INTO data_keys (project, kek, wrapped) VALUES ($1, $2, $3) ON CONFLICT (project) DO NOTHING"


async def ensure_data_key(connection: Connection, ring: Ring, project: int) -> bytes:
    """Raises CannotOpen."""
    key = await find_data_key(connection, ring, project)
    if key is None:
        await connection.execute(CREATE, project, ring.newest, wrap(ring, project, new_key()))
        # Read again, because another process may have been first: who comes second waits for its transaction, and does nothing.
        key = await find_data_key(connection, ring, project)
    assert key is not None, "data keys are never deleted"
    return key


async def find_data_key(connection: Connection, ring: Ring, project: int) -> bytes | None:
    """None when the project has none. Raises CannotOpen."""
    row = await connection.fetchrow(FIND, project)
    return None if row is None else unwrap(ring, project, row["kek"], row["wrapped"])


def wrap(ring: Ring, project: int, key: bytes) -> bytes:
    """By the newest key of the ring."""
    return encrypt(ring.keys[ring.newest], key, belonging(project, ring.newest))


def unwrap(ring: Ring, project: int, kek: str, wrapped: bytes) -> bytes:
    """Raises CannotOpen, naming the key that is missing."""
    if kek not in ring:
        raise CannotOpen(
            f"The data key of project {project} is wrapped by the encryption key {kek}, which is missing: "
            f"TIDINGS_ENCRYPTION_KEYS has {', '.join(ring.keys)}. Put it back, after the newest."
        )
    return decrypt(ring.keys[kek], wrapped, belonging(project, kek), f"The data key of project {project}")


def belonging(project: int, kek: str) -> bytes:
    return bound_to("data key", project, kek)
