"""Finding deliveries by when they ended."""

from tidings.platform.migrations.script import script

ID = "2026-11-25T23:55:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Finding deliveries by when they ended"

SQL = """
-- For counting how they ended (deliveries/levels/tallies.py). Holds up whoever settles while it is built.
CREATE INDEX deliveries_finished ON deliveries (finished_at) WHERE finished_at IS NOT NULL;
"""

forwards = script(ID, DESCRIPTION, SQL)
