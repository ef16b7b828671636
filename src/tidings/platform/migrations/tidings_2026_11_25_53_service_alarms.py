"""Destinations that spend their error budget too fast, as long as they do."""

from tidings.platform.migrations.script import script

ID = "2026-11-25T23:53:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Service alarms"

SQL = """
-- A row from `service_level.missed` to `service_level.met`.
CREATE TABLE service_alarms (
    destination bigint PRIMARY KEY,
    project int NOT NULL,
    missed_at timestamptz NOT NULL
);
ALTER TABLE service_alarms ENABLE ROW LEVEL SECURITY;
ALTER TABLE service_alarms FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON service_alarms TO tidings_api USING (project = tidings_project()) WITH CHECK (project = tidings_project());
CREATE POLICY worker ON service_alarms TO tidings_worker USING (true) WITH CHECK (true);
GRANT SELECT ON service_alarms TO tidings_api, tidings_backup;
GRANT SELECT, INSERT, UPDATE, DELETE ON service_alarms TO tidings_worker;
"""

forwards = script(ID, DESCRIPTION, SQL)
