"""Counting the people deleted."""

from tidings.platform.migrations.script import script

ID = "2026-11-25T12:01:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Counting the people deleted"

SQL = """
-- Rises with each subscriber deleted: remembered names may mean others now.
ALTER TABLE projects ADD COLUMN people_deleted bigint NOT NULL DEFAULT 0;
GRANT UPDATE (people_deleted) ON projects TO tidings_api;
"""

forwards = script(ID, DESCRIPTION, SQL)
