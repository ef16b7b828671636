"""What is asked of deliveries to a destination, where it is not what is asked of all."""

from tidings.platform.migrations.script import script

ID = "2026-11-25T23:52:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Service targets"

SQL = """
CREATE TABLE service_targets (
    destination bigint PRIMARY KEY,
    project int NOT NULL,
    success float8 NOT NULL,                        -- share of deliveries that arrive
    p99_s float8 NOT NULL,                          -- seconds within which 99 % of those arrive
    updated_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE service_targets ENABLE ROW LEVEL SECURITY;
ALTER TABLE service_targets FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON service_targets TO tidings_api USING (project = tidings_project()) WITH CHECK (project = tidings_project());
CREATE POLICY worker ON service_targets TO tidings_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON service_targets TO tidings_api, tidings_worker;
GRANT SELECT ON service_targets TO tidings_backup;
"""

forwards = script(ID, DESCRIPTION, SQL)
