"""Other services whose events become notifications."""

from tidings.platform.migrations.script import script

ID = "2026-11-25T23:41:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Inbound sources"

SQL = """
CREATE TABLE sources (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project int NOT NULL REFERENCES projects,
    key text NOT NULL UNIQUE,                       -- src_…, which stands in the URL
    kind text NOT NULL,                             -- 'stripe' | 'github' | 'standard_webhooks'
    name text NOT NULL,
    mappings json NOT NULL,                         -- in their order: the first that fits is used
    secrets bytea NOT NULL,                         -- sealed by the vault; empty: none yet, or deleted
    older_until timestamptz,                        -- until when the secret before the last rotation still counts
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz
);
CREATE INDEX sources_of_project ON sources (project, id) WHERE deleted_at IS NULL;
ALTER TABLE sources ENABLE ROW LEVEL SECURITY;
ALTER TABLE sources FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON sources TO tidings_api USING (project = tidings_project()) WITH CHECK (project = tidings_project());
-- Whose source it is that an event comes to is found before the project is known.
CREATE POLICY worker ON sources TO tidings_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON sources TO tidings_api;
GRANT SELECT ON sources TO tidings_worker, tidings_backup;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO tidings_api, tidings_worker;
"""

forwards = script(ID, DESCRIPTION, SQL)
