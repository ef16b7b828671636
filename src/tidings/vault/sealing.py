"""Sealing and opening a value in its place."""

from contextlib import suppress

import msgspec

from tidings.platform.postgres import Connection
from tidings.platform.secrets import CannotOpen
from tidings.settings import Settings
from tidings.vault.data_keys import ensure_data_key, find_data_key
from tidings.vault.envelope import bound_to, decrypt, encrypt
from tidings.vault.ring import Ring, load_ring

MOST_REMEMBERED = 10_000


class Place(msgspec.Struct, frozen=True):
    """Where a sealed value stands; moved to another place, it does not open. row: the public id, or whatever names the row for good."""

    table: str
    row: str
    column: str


class Vault:
    """One in a process. connection: of the api role with its tenant set, or of the worker role; project: inner number."""

    def __init__(self, ring: Ring) -> None:
        self.ring = ring
        self.remembered: dict[int, bytes] = {}

    async def seal(self, connection: Connection, project: int, place: Place, secret: bytes) -> bytes:
        """Raises CannotOpen when the ring lacks the key that wraps the project's data key."""
        # Asks the database each time. A data key remembered from a transaction that was rolled back, or from a primary that was lost before
        # its standby had the row, would seal what nobody opens again.
        key = await ensure_data_key(connection, self.ring, project)
        return encrypt(key, secret, belonging(project, place))

    async def open(self, connection: Connection, project: int, place: Place, sealed: bytes) -> bytes:
        """Raises CannotOpen."""
        belongs, what = belonging(project, place), f"{place.table}.{place.column} of {place.row}, project {project},"
        if (known := self.remembered.get(project)) is not None:
            with suppress(CannotOpen):
                return decrypt(known, sealed, belongs, what)
        key = await find_data_key(connection, self.ring, project)
        if key is None:
            raise CannotOpen(f"{what} cannot be opened: the project has no data key.")
        opened = decrypt(key, sealed, belongs, what)
        self.remember(project, key)
        return opened

    def remember(self, project: int, key: bytes) -> None:
        self.remembered[project] = key
        if len(self.remembered) > MOST_REMEMBERED:
            del self.remembered[next(iter(self.remembered))]


def load_vault(settings: Settings) -> Vault:
    """Raises Misconfigured when there are no encryption keys to be had."""
    return Vault(load_ring(settings))


def belonging(project: int, place: Place) -> bytes:
    return bound_to("value", project, place.table, place.row, place.column)
