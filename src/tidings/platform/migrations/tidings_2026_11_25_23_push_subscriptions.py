"""The browsers that take web pushes."""

from tidings.platform.migrations.script import script

ID = "2026-11-25T23:23:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Web push subscriptions"

SQL = """
CREATE TABLE push_subscriptions (
    project int NOT NULL,
    id text NOT NULL,                               -- psh_…, a hash of the endpoint
    subscriber bigint NOT NULL,
    endpoint text NOT NULL,                         -- of the push service; who knows it can write there
    p256dh bytea NOT NULL, auth bytea NOT NULL,     -- the browser's, to encrypt for it (RFC 8291)
    expires_at timestamptz,
    user_agent text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,                -- when the browser last showed it
    PRIMARY KEY (project, id)
);
CREATE INDEX push_subscriptions_of_subscriber ON push_subscriptions (subscriber);
ALTER TABLE push_subscriptions ENABLE ROW LEVEL SECURITY;
ALTER TABLE push_subscriptions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON push_subscriptions TO tidings_api USING (project = tidings_project()) WITH CHECK (project = tidings_project());
CREATE POLICY worker ON push_subscriptions TO tidings_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON push_subscriptions TO tidings_api, tidings_worker;
GRANT SELECT ON push_subscriptions TO tidings_backup;
"""

forwards = script(ID, DESCRIPTION, SQL)
