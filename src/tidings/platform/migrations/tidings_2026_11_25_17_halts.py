"""Kill switches: connectors that send nothing for now."""

from tidings.platform.migrations.script import script

ID = "2026-11-25T23:17:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Halts"

SQL = """
-- Of the whole deployment: operators set them, no project does.
CREATE TABLE halts (
    connector text PRIMARY KEY,
    reason text,
    halted_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT, UPDATE, DELETE ON halts TO tidings_worker;
GRANT SELECT ON halts TO tidings_api, tidings_backup;
"""

forwards = script(ID, DESCRIPTION, SQL)
