"""The kill switch: connectors that send nothing for now, in the whole deployment.

Planner and workers ask the table itself at every step (`ledger/dispatch.py`, `ledger/claim.py`): nothing has to reach them. What is for a
halted connector is planned on, and waits.
"""

from datetime import datetime

import msgspec

from tidings.platform.postgres import Connection

LIST = "SELECT connector, reason, halted_at FROM halts ORDER BY connector"
HALT = """
INSERT INTO halts (connector, reason) VALUES ($1, $2) ON CONFLICT (connector) DO UPDATE SET reason = coalesce($2, halts.reason)
RETURNING connector, reason, halted_at
"""
RESUME = "DELETE FROM halts WHERE connector = $1 RETURNING connector"


class Halted(msgspec.Struct, frozen=True):
    connector: str
    reason: str | None
    halted_at: datetime


async def halts(connection: Connection) -> dict[str, Halted]:
    """By connector."""
    return {row["connector"]: Halted(*row) for row in await connection.fetch(LIST)}


async def halt(connection: Connection, connector: str, reason: str | None) -> Halted:
    """One that is halted stays so, since when it was; a new reason takes the place of the old one."""
    return Halted(*await connection.fetchrow(HALT, connector, reason))


async def resume(connection: Connection, connector: str) -> bool:
    """Whether it was halted."""
    return await connection.fetchval(RESUME, connector) is not None
