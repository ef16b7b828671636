"""The trace that an event belongs to, in the log."""

from tidings.platform.migrations.script import script

ID = "2026-11-28T23:52:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "The trace of an event in the log"

SQL = """
-- As in the outbox. A sequencer that knows nothing of it leaves NULL.
ALTER TABLE events ADD COLUMN trace text;
"""

forwards = script(ID, DESCRIPTION, SQL)
