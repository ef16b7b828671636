"""What time it is in the ledger: PostgreSQL's, for every process alike.

Leases, turns, pauses and next attempts are written by one process and read by another. A planner an hour ahead would take back what all
workers have under way, each second; a worker an hour behind would make all its attempts of a delivery at once.
"""

from datetime import datetime

from tidings.platform.postgres import Connection


async def time_of(connection: Connection) -> datetime:
    now: datetime = await connection.fetchval("SELECT clock_timestamp()")
    return now
