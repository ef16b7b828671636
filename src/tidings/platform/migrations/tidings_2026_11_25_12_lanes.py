"""What changes all the time about a destination, apart from what people set."""

from tidings.platform.migrations.script import script

ID = "2026-11-25T23:12:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Lanes"

SQL = """
CREATE TABLE lanes (
    destination bigint PRIMARY KEY,
    project int NOT NULL,
    connector text NOT NULL,
    due_at timestamptz,                             -- nothing is due before; null: nothing waits
    paused boolean NOT NULL DEFAULT false,          -- disabled or deleted: what waits is held back
    next_slot timestamptz NOT NULL DEFAULT '-infinity', -- when the rate allows the next attempt
    -- The circuit breaker, and how the attempts of this half minute and of the one before it ended.
    breaker text NOT NULL DEFAULT 'closed',         -- 'closed' | 'open' | 'half_open'
    opened_at timestamptz,
    openings smallint NOT NULL DEFAULT 0,           -- in a row: each one lasts longer
    window_at timestamptz NOT NULL DEFAULT '-infinity',
    good int NOT NULL DEFAULT 0, bad int NOT NULL DEFAULT 0,
    good_before int NOT NULL DEFAULT 0, bad_before int NOT NULL DEFAULT 0,
    -- Since when nothing but failures; what disables an endpoint in the end.
    failing_since timestamptz,
    failures int NOT NULL DEFAULT 0,
    warned smallint NOT NULL DEFAULT 0              -- per cent of the way to being disabled that were told
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
CREATE INDEX lanes_due ON lanes (due_at) WHERE due_at IS NOT NULL;
ALTER TABLE lanes ENABLE ROW LEVEL SECURITY;
ALTER TABLE lanes FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON lanes TO tidings_api USING (project = tidings_project()) WITH CHECK (project = tidings_project());
CREATE POLICY worker ON lanes TO tidings_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON lanes TO tidings_api, tidings_worker;
GRANT SELECT ON lanes TO tidings_backup;
"""

forwards = script(ID, DESCRIPTION, SQL)
