"""Destinations with their secrets opened, kept while they stay as they are."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from loguru import logger

from tidings.deliveries.connectors.connector import Destination
from tidings.deliveries.ledger.claim import Claimed
from tidings.platform.postgres import Connection
from tidings.vault import CannotOpen, Place, Vault

MOST = 10_000

COLUMNS = """
SELECT d.id, d.key, d.project, p.key AS project_key, p.shard, d.connector, d.config::text, d.secrets, d.schedule, d.updated_at
FROM destinations d JOIN projects p ON p.id = d.project
"""
LOAD = f"{COLUMNS} WHERE d.id = ANY ($1)"
LOAD_BY_KEY = f"{COLUMNS} WHERE d.project = $1 AND d.key = $2 AND d.deleted_at IS NULL"


class OpenedDestinations:
    def __init__(self, vault: Vault) -> None:
        self.vault = vault
        self.known: dict[int, tuple[datetime, Destination]] = {}

    async def load(self, connection: Connection, claimed: list[Claimed]) -> None:
        """Read those that are new or were changed since."""
        wanted = {one.destination for one in claimed if not self.is_known(one)}
        if not wanted:
            return
        for row in await connection.fetch(LOAD, list(wanted)):
            try:
                self.remember(row["updated_at"], await opened(connection, self.vault, row))
            except (CannotOpen, msgspec.MsgspecError) as error:
                logger.error("The secrets of {} cannot be opened: {}", row["key"], error)

    def is_known(self, one: Claimed) -> bool:
        known = self.known.get(one.destination)
        return known is not None and known[0] >= one.destination_as_of

    def remember(self, as_of: datetime, destination: Destination) -> None:
        self.known.pop(destination.id, None)
        self.known[destination.id] = (as_of, destination)
        if len(self.known) > MOST:
            del self.known[next(iter(self.known))]

    def of(self, one: Claimed) -> Destination | None:
        """None when its secrets could not be opened."""
        return self.known[one.destination][1] if self.is_known(one) else None


async def opened(connection: Connection, vault: Vault, row: Mapping[str, Any]) -> Destination:
    """Raises CannotOpen."""
    secrets = await vault.open(connection, row["project"], Place("destinations", row["key"], "secrets"), row["secrets"])
    return Destination(
        row["id"],
        row["key"],
        row["project"],
        row["project_key"],
        row["shard"],
        row["connector"],
        msgspec.json.decode(row["config"]),
        msgspec.json.decode(secrets),
        row["schedule"],
    )
