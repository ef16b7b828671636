"""Recipients of notifications uncompressed."""

from tidings.platform.migrations.script import script

ID = "2026-11-25T12:07:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Recipients of notifications uncompressed"

SQL = """
-- As in the outbox.
ALTER TABLE notifications ALTER COLUMN recipient_ids SET STORAGE EXTERNAL;
"""

forwards = script(ID, DESCRIPTION, SQL)
