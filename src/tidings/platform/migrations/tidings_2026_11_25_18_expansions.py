"""Large audiences on their way into the ledger, for channels that go to each person."""

from tidings.platform.migrations.script import script

ID = "2026-11-25T23:18:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Expansions"

SQL = """
-- As `fanouts`, for deliveries: the row lock of a piece's transaction keeps planners apart, and the cursor moves in it.
CREATE TABLE expansions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project int NOT NULL,
    destination bigint NOT NULL,
    channel text NOT NULL,
    notification uuid NOT NULL,
    shard smallint NOT NULL, position bigint NOT NULL, event_at timestamptz NOT NULL, accepted_at timestamptz NOT NULL,
    recipients bigint[], topics bigint[], everyone boolean NOT NULL,
    newest_subscriber bigint,
    cursor bigint NOT NULL DEFAULT 0,
    written bigint NOT NULL DEFAULT 0,
    touched_at timestamptz NOT NULL DEFAULT now(),
    done_at timestamptz
);
CREATE INDEX expansions_unfinished ON expansions (touched_at) WHERE done_at IS NULL;
CREATE INDEX expansions_of_notification ON expansions (notification);
ALTER TABLE expansions ENABLE ROW LEVEL SECURITY;
ALTER TABLE expansions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON expansions TO tidings_api USING (project = tidings_project()) WITH CHECK (project = tidings_project());
CREATE POLICY worker ON expansions TO tidings_worker USING (true) WITH CHECK (true);
GRANT SELECT ON expansions TO tidings_api, tidings_backup;
GRANT SELECT, INSERT, UPDATE, DELETE ON expansions TO tidings_worker;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO tidings_api, tidings_worker;
"""

forwards = script(ID, DESCRIPTION, SQL)
