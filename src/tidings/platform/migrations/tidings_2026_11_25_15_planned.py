"""How far each shard's log has been turned into deliveries."""

from tidings.platform.migrations.script import script

ID = "2026-11-25T23:15:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Planned"

SQL = """
-- Moves in the transaction that writes the deliveries, so that an event is planned once, whoever is killed.
CREATE TABLE planned (
    shard smallint PRIMARY KEY,
    position bigint NOT NULL
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
GRANT SELECT, INSERT, UPDATE ON planned TO tidings_worker;
GRANT SELECT ON planned TO tidings_api, tidings_backup;
"""

forwards = script(ID, DESCRIPTION, SQL)
