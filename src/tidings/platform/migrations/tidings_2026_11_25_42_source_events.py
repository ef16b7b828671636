"""What came from sources, and what became of it."""

from tidings.platform.migrations.script import script

ID = "2026-11-25T23:42:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Events of inbound sources"

SQL = """
CREATE TABLE source_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project int NOT NULL,
    source bigint NOT NULL,
    event_id text NOT NULL,                         -- the sender's
    type text,                                      -- as the sender calls it
    received_at timestamptz NOT NULL,
    outcome text,                                   -- 'published' | 'unmapped' | 'failed'; null only inside its transaction
    mapping smallint,                               -- which of the source's, as they were then
    reason text,                                    -- why it failed
    notification uuid,
    UNIQUE (source, event_id)                       -- the claim: whoever writes the row publishes, and nobody else
);
CREATE INDEX source_events_in_order ON source_events (source, id);
CREATE INDEX source_events_by_age ON source_events (received_at);
ALTER TABLE source_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE source_events FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON source_events TO tidings_api USING (project = tidings_project()) WITH CHECK (project = tidings_project());
CREATE POLICY worker ON source_events TO tidings_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON source_events TO tidings_api;
GRANT SELECT, DELETE ON source_events TO tidings_worker;
GRANT SELECT ON source_events TO tidings_backup;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO tidings_api, tidings_worker;
"""

forwards = script(ID, DESCRIPTION, SQL)
