"""What is done about backups: asked for, under way, ended, and how."""

from tidings.platform.migrations.script import script

ID = "2026-11-28T23:41:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Runs of backups"

SQL = """
-- Of the deployment, not of a project: no tenant sees them, and the API asks as the worker does.
CREATE TABLE backup_runs (
    id text PRIMARY KEY,                            -- in the order of time; of one that makes a backup, that backup's too
    task text NOT NULL,                             -- logical, physical, verify, drill
    backup text,                                    -- what it makes or looks at, once that is known
    asked_by text NOT NULL,                         -- schedule, cli, or the id of an API key
    asked_at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'running', 'done', 'failed')),
    worker text,
    lease_until timestamptz,
    began_at timestamptz,
    ended_at timestamptz,
    step text,                                      -- in words, for whoever watches
    plain_bytes bigint NOT NULL DEFAULT 0,          -- read of the database so far
    sent_bytes bigint NOT NULL DEFAULT 0,           -- in the store so far
    failure text,                                   -- one word: store, missing, damaged, key, disk, program, lost, failed
    reason text,
    result jsonb
);
-- One at a time over all workers: two dumps at once would only slow each other and the product down.
CREATE UNIQUE INDEX backup_runs_one ON backup_runs ((true)) WHERE state = 'running';
CREATE INDEX backup_runs_waiting ON backup_runs (asked_at) WHERE state = 'waiting';
CREATE INDEX backup_runs_ended ON backup_runs (task, ended_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON backup_runs TO tidings_worker;
GRANT SELECT ON backup_runs TO tidings_backup;
"""

forwards = script(ID, DESCRIPTION, SQL)
