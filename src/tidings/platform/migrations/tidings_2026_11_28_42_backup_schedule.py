"""When what is done about backups is due next."""

from tidings.platform.migrations.script import script

ID = "2026-11-28T23:42:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Schedule of backups"

SQL = """
CREATE TABLE backup_schedule (
    task text PRIMARY KEY,
    every interval NOT NULL,
    after_midnight interval NOT NULL,               -- UTC
    next_at timestamptz NOT NULL                    -- passed while nobody was there: done once, when somebody is
);
GRANT SELECT ON backup_schedule TO tidings_backup;
GRANT SELECT, INSERT, UPDATE, DELETE ON backup_schedule TO tidings_worker;
"""

forwards = script(ID, DESCRIPTION, SQL)
