"""Recipients in the log uncompressed."""

from tidings.platform.migrations.script import script

ID = "2026-11-25T12:06:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Recipients in the log uncompressed"

SQL = """
-- As in the outbox. Holds for the partitions that are there and for those to come.
ALTER TABLE events ALTER COLUMN recipients SET STORAGE EXTERNAL;
"""

forwards = script(ID, DESCRIPTION, SQL)
