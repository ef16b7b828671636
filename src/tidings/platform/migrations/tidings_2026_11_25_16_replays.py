"""Deliveries sent again in bulk, piece by piece."""

from tidings.platform.migrations.script import script

ID = "2026-11-25T23:16:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Replays"

SQL = """
CREATE TABLE replays (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project int NOT NULL,
    key text NOT NULL UNIQUE,                       -- rpl_…
    destination bigint NOT NULL,
    states text[] NOT NULL,
    types text[],
    first_id uuid NOT NULL, last_id uuid NOT NULL,  -- deliveries from this time to that one
    rate real NOT NULL,                             -- a second
    cursor uuid NOT NULL,                           -- those up to here were looked at
    total bigint NOT NULL, queued bigint NOT NULL DEFAULT 0,
    moved_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz, cancelled_at timestamptz
);
CREATE INDEX replays_unfinished ON replays (moved_at) WHERE finished_at IS NULL;
CREATE INDEX replays_of_project ON replays (project, id);
ALTER TABLE replays ENABLE ROW LEVEL SECURITY;
ALTER TABLE replays FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON replays TO tidings_api USING (project = tidings_project()) WITH CHECK (project = tidings_project());
CREATE POLICY worker ON replays TO tidings_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON replays TO tidings_api, tidings_worker;
GRANT SELECT ON replays TO tidings_backup;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO tidings_api, tidings_worker;
"""

forwards = script(ID, DESCRIPTION, SQL)
