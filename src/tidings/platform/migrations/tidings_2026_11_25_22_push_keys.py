"""The key of each project with which it shows push services who sends."""

from tidings.platform.migrations.script import script

ID = "2026-11-25T23:22:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Keys of web push"

SQL = """
-- VAPID, RFC 8292. Browsers bind a subscription to the public key, so it stays for good.
CREATE TABLE push_keys (
    project int PRIMARY KEY REFERENCES projects,
    public_key bytea NOT NULL,                      -- uncompressed point on P-256, 65 bytes
    private_key bytea NOT NULL,                     -- sealed by the vault
    created_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE push_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE push_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON push_keys TO tidings_api USING (project = tidings_project()) WITH CHECK (project = tidings_project());
CREATE POLICY worker ON push_keys TO tidings_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT ON push_keys TO tidings_api, tidings_worker;
GRANT SELECT ON push_keys TO tidings_backup;
"""

forwards = script(ID, DESCRIPTION, SQL)
