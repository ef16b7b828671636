"""Where deliveries go: webhook endpoints, and the integrations of every other connector."""

from tidings.platform.migrations.script import script

ID = "2026-11-25T23:11:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Destinations"

SQL = """
CREATE TABLE destinations (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project int NOT NULL REFERENCES projects,
    key text NOT NULL UNIQUE,                       -- ep_… of a webhook endpoint, int_… of an integration
    connector text NOT NULL,                        -- 'webhook', 'smtp', …
    channel text NOT NULL DEFAULT 'webhook',        -- what the connector is for, see deliveries/ledger/channels.py
    description text,
    config json NOT NULL,                           -- what may be shown, as its URL
    secrets bytea NOT NULL,                         -- sealed by the vault
    events text[] NOT NULL,                         -- types that it wants, as in 'notification.*'
    schedule int[],                                 -- seconds from a failed attempt to the next; null: the connector's own
    rate real,                                      -- attempts a second at most; null: as fast as can be
    at_once smallint NOT NULL DEFAULT 20,           -- attempts at the same time, over all workers
    order_by text,                                  -- null: no order; 'endpoint', or a member of the data, as in 'id'
    disabled_at timestamptz,
    disabled_as text,                               -- 'by_hand' | 'failing' | 'gone'
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz
);
CREATE INDEX destinations_of_project ON destinations (project, id) WHERE deleted_at IS NULL;
ALTER TABLE destinations ENABLE ROW LEVEL SECURITY;
ALTER TABLE destinations FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON destinations TO tidings_api USING (project = tidings_project()) WITH CHECK (project = tidings_project());
CREATE POLICY worker ON destinations TO tidings_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON destinations TO tidings_api, tidings_worker;
GRANT SELECT ON destinations TO tidings_backup;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO tidings_api, tidings_worker;
"""

forwards = script(ID, DESCRIPTION, SQL)
