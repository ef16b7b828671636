"""The newest items of a collapse key without sorting."""

from tidings.platform.migrations.script import script

ID = "2026-11-25T12:05:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "The newest items of a collapse key without sorting"

SQL = """
-- Holds up whoever writes to inboxes while it is built.
DROP INDEX inbox_by_collapse_key;
CREATE INDEX inbox_by_collapse_key ON inbox (subscriber, collapse_key, id) WHERE collapse_key IS NOT NULL;
"""

forwards = script(ID, DESCRIPTION, SQL)
