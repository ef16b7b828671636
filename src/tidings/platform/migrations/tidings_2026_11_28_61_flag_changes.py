"""Feature flags: every change of every flag."""

from tidings.platform.migrations.script import script

ID = "2026-11-28T09:25:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Flag changes"

SQL = """
-- Nothing is ever changed here: a flag is the newest of its rows, and the others are its history.
CREATE TABLE flag_changes (
    id bigint GENERATED ALWAYS AS IDENTITY,
    project int NOT NULL,                           -- 0: of the whole deployment, which operators set
    key text NOT NULL,
    version int NOT NULL,                           -- from 1, without holes: two that change at once cannot both have the same
    definition json,                                -- json and not jsonb, which forgets the order of variants; null: taken away
    actor text NOT NULL,
    reason text,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (project, key, version)
);
-- Whether anything is new, which every process asks twice a second.
CREATE UNIQUE INDEX flag_changes_in_order ON flag_changes (project, id);
ALTER TABLE flag_changes ENABLE ROW LEVEL SECURITY;
ALTER TABLE flag_changes FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON flag_changes TO tidings_api
    USING (project = tidings_project() AND project > 0) WITH CHECK (project = tidings_project() AND project > 0);
CREATE POLICY worker ON flag_changes TO tidings_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT ON flag_changes TO tidings_api, tidings_worker;
GRANT SELECT ON flag_changes TO tidings_backup;
-- Connectors that are halted were so before there were flags.
INSERT INTO flag_changes (project, key, version, definition, actor, reason, changed_at)
SELECT 0, 'connectors.' || connector, 1, '{"enabled":false,"variants":{"on":true,"off":false}}', 'system:migration', reason, halted_at
FROM halts;
"""

forwards = script(ID, DESCRIPTION, SQL)
