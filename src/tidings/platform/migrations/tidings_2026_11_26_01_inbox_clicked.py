"""When an item was clicked."""

from tidings.platform.migrations.script import script

ID = "2026-11-26T00:01:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "When an item was clicked"

SQL = """
-- For the first time. Without a default, so that no row is written.
ALTER TABLE inbox ADD COLUMN clicked_at timestamptz;
"""

forwards = script(ID, DESCRIPTION, SQL)
