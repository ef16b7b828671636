"""Kill switches of connectors: the deployment's flags `connectors.NAME`, on unless somebody switches them off.

Whether one may send is asked by statements, in the middle of their work (`deliveries/ledger/dispatch.py`, `claim.py`). So the table
`halts` says it again as they need it, and is written in the transaction that changes the flag: it holds from the next step on.
"""

from tidings.errors import Invalid
from tidings.flags.structs import Definition
from tidings.platform.postgres import Connection

PREFIX = "connectors."

HALT = """
INSERT INTO halts (connector, reason) VALUES ($1, $2) ON CONFLICT (connector) DO UPDATE SET reason = coalesce($2, halts.reason)
"""
RESUME = "DELETE FROM halts WHERE connector = $1"

ON, OFF = Definition(), Definition(enabled=False)


def check_switch(key: str, definition: Definition | None) -> None:
    """Raises Invalid for a connector's flag that is more than on or off: statements could not see what it says."""
    if key.startswith(PREFIX) and definition not in (None, ON, OFF):
        raise Invalid("The flag of a connector is a plain switch: it has `enabled`, and nothing else.")


async def write_halt(connection: Connection, key: str, definition: Definition | None, reason: str | None) -> None:
    """Keep `halts` in step with a flag of the deployment, whichever it is."""
    if not key.startswith(PREFIX):
        return
    connector = key.removeprefix(PREFIX)
    if definition is None or definition.enabled:
        await connection.execute(RESUME, connector)
    else:
        await connection.execute(HALT, connector, reason)
