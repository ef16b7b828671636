"""The key of each project, under which its credentials are sealed."""

from tidings.platform.migrations.script import script

ID = "2026-11-25T23:21:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Data keys"

SQL = """
CREATE TABLE data_keys (
    project int PRIMARY KEY REFERENCES projects,
    kek text NOT NULL,                              -- id of the key-encryption key that wraps it
    wrapped bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE data_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE data_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON data_keys TO tidings_api USING (project = tidings_project()) WITH CHECK (project = tidings_project());
CREATE POLICY worker ON data_keys TO tidings_worker USING (true) WITH CHECK (true);
-- Nobody deletes one: whatever it sealed would be lost.
GRANT SELECT, INSERT ON data_keys TO tidings_api, tidings_worker;
GRANT UPDATE (kek, wrapped) ON data_keys TO tidings_worker;
GRANT SELECT ON data_keys TO tidings_backup;
"""

forwards = script(ID, DESCRIPTION, SQL)
