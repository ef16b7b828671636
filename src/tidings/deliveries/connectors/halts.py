"""The kill switch: connectors that send nothing for now, in the whole deployment.

It is the deployment's flag `connectors.NAME` (`flags/halts.py`), switched off. Planner and workers ask the table `halts`, which is written
with the flag, at every step (`ledger/dispatch.py`, `ledger/claim.py`): nothing has to reach them. What is for a halted connector is
planned on, and waits.
"""

from datetime import datetime

import msgspec

from tidings.flags.halts import OFF, ON, PREFIX
from tidings.flags.store import DEPLOYMENT, set_flag
from tidings.platform.postgres import Connection

LIST = "SELECT connector, reason, halted_at FROM halts ORDER BY connector"
GET = "SELECT connector, reason, halted_at FROM halts WHERE connector = $1"
CLI = "system:cli"


class Halted(msgspec.Struct, frozen=True):
    connector: str
    reason: str | None
    halted_at: datetime


async def halts(connection: Connection) -> dict[str, Halted]:
    """By connector."""
    return {row["connector"]: Halted(*row) for row in await connection.fetch(LIST)}


async def halt(connection: Connection, connector: str, reason: str | None, actor: str = CLI) -> Halted:
    """One that is halted stays so, since when it was; a new reason takes the place of the old one."""
    async with connection.transaction():
        await set_flag(connection, DEPLOYMENT, PREFIX + connector, OFF, actor=actor, reason=reason)
        return Halted(*await connection.fetchrow(GET, connector))


async def resume(connection: Connection, connector: str, actor: str = CLI) -> bool:
    """Whether it was halted."""
    async with connection.transaction():
        if await connection.fetchrow(GET, connector) is None:
            return False
        await set_flag(connection, DEPLOYMENT, PREFIX + connector, ON, actor=actor, reason=None)
        return True
