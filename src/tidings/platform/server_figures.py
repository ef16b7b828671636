"""What PostgreSQL says of itself to anybody who asks, for /metrics: a server's own exporter tells more."""

from tidings.platform.metrics import (
    DATABASE_BYTES,
    DATABASE_CONNECTIONS,
    DATABASE_CONNECTIONS_MOST,
    REPLICAS,
    REPLICATION_LAG,
    WAL_RETAINED,
)
from tidings.platform.postgres import Connection

# Where a replica stands is for pg_monitor only; without it the lag stays 0. A standby has no current position of its own.
SERVER = """
WITH log AS (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END AS ends)
SELECT pg_database_size(current_database()), (SELECT count(*) FROM pg_stat_activity WHERE datid IS NOT NULL OR usesysid IS NOT NULL),
    current_setting('max_connections')::int, (SELECT count(*) FROM pg_stat_replication),
    (SELECT coalesce(max(pg_wal_lsn_diff(log.ends, flush_lsn)), 0)::float8 FROM pg_stat_replication),
    (SELECT coalesce(max(pg_wal_lsn_diff(log.ends, restart_lsn)), 0)::float8 FROM pg_replication_slots)
FROM log
"""
GAUGES = (DATABASE_BYTES, DATABASE_CONNECTIONS, DATABASE_CONNECTIONS_MOST, REPLICAS, REPLICATION_LAG, WAL_RETAINED)


async def observe_server(connection: Connection) -> None:
    for gauge, value in zip(GAUGES, await connection.fetchrow(SERVER), strict=True):
        gauge.set(value)
