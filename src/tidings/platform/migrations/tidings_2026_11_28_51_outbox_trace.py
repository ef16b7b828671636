"""The trace that an event belongs to, in the outbox."""

from tidings.platform.migrations.script import script

ID = "2026-11-28T23:51:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "The trace of an event in the outbox"

SQL = """
-- W3C `traceparent` of the commit, for the few that are sampled. Without a default, so that no row is written; NULL takes no room.
ALTER TABLE outbox ADD COLUMN trace text;
"""

forwards = script(ID, DESCRIPTION, SQL)
