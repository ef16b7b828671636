"""Every attempt of a delivery: a row before it is made, settled after it."""

from tidings.platform.migrations.script import script

ID = "2026-11-25T23:14:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Attempts"

SQL = """
-- The row is the claim: whoever writes (delivery, number) makes that attempt, and nobody else.
CREATE TABLE attempts (
    delivery uuid NOT NULL,
    number smallint NOT NULL,
    project int NOT NULL,
    destination bigint NOT NULL,
    worker text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz,
    outcome text,                                   -- null: under way; 'delivered' | 'retry' | 'refused' | 'lost'
    reason text,                                    -- as in 'http_503', 'timed_out'
    detail text,                                    -- in words
    status smallint,                                -- of the answer
    dns_ms real, connect_ms real, tls_ms real, first_byte_ms real, total_ms real,
    response bytea,                                 -- at most 16 KiB
    truncated boolean NOT NULL DEFAULT false,
    next_attempt_at timestamptz,                    -- what was decided
    PRIMARY KEY (delivery, number)
) PARTITION BY RANGE (delivery);
CREATE TABLE attempts_default PARTITION OF attempts DEFAULT;
DO $$
DECLARE target text;
BEGIN
    FOREACH target IN ARRAY ARRAY['attempts', 'attempts_default'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', target);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', target);
        EXECUTE format('CREATE POLICY tenant ON %I TO tidings_api
            USING (project = tidings_project()) WITH CHECK (project = tidings_project())', target);
        EXECUTE format('CREATE POLICY worker ON %I TO tidings_worker USING (true) WITH CHECK (true)', target);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO tidings_api, tidings_worker', target);
        EXECUTE format('GRANT SELECT ON %I TO tidings_backup', target);
    END LOOP;
END $$;
SELECT tidings_ensure_id_partitions('attempts');
"""

forwards = script(ID, DESCRIPTION, SQL)
