"""Where a shard's outbox begins."""

from tidings.platform.migrations.script import script

ID = "2026-11-25T12:03:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Where a shard's outbox begins"

SQL = """
-- Below this id, a shard's outbox is empty for ever.
ALTER TABLE shards ADD COLUMN floor bigint NOT NULL DEFAULT 0;
"""

forwards = script(ID, DESCRIPTION, SQL)
