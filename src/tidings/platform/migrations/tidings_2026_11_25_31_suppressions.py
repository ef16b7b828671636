"""Where nothing is sent: who unsubscribed from a channel, and addresses that bounce or complained."""

from tidings.platform.migrations.script import script

ID = "2026-11-25T23:31:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Suppressions"

SQL = """
CREATE TABLE suppressions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project int NOT NULL,
    channel text NOT NULL,
    -- Either a person, who said no, or an address, whoever has it: HMAC-SHA256 under the deployment's secret, so that none is kept.
    subscriber bigint,
    address_hash bytea,
    reason text NOT NULL CHECK (reason IN ('unsubscribed', 'bounced', 'complained')),
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((subscriber IS NULL) <> (address_hash IS NULL))
);
CREATE UNIQUE INDEX suppressions_of_subscriber ON suppressions (project, channel, subscriber) WHERE subscriber IS NOT NULL;
CREATE UNIQUE INDEX suppressions_of_address ON suppressions (project, channel, address_hash) WHERE address_hash IS NOT NULL;
ALTER TABLE suppressions ENABLE ROW LEVEL SECURITY;
ALTER TABLE suppressions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON suppressions TO tidings_api USING (project = tidings_project()) WITH CHECK (project = tidings_project());
CREATE POLICY worker ON suppressions TO tidings_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, DELETE ON suppressions TO tidings_api, tidings_worker;
GRANT SELECT ON suppressions TO tidings_backup;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO tidings_api, tidings_worker;
"""

forwards = script(ID, DESCRIPTION, SQL)
