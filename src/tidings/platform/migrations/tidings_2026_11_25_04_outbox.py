"""One index of the outbox; recipients uncompressed."""

from tidings.platform.migrations.script import script

ID = "2026-11-25T12:04:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "One index of the outbox; recipients uncompressed"

SQL = """
-- One index instead of two. The identity has no cache (its default): of two publishes, the later draws the larger id.
DROP INDEX outbox_by_shard;
ALTER TABLE outbox DROP CONSTRAINT outbox_pkey, ADD PRIMARY KEY (shard, id);
-- A transaction has its id before it draws one of the outbox: so the sequencer knows which of these no open transaction can still bring.
CREATE FUNCTION tidings_begin_outbox() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_current_xact_id(); RETURN NULL; END $$;
CREATE TRIGGER outbox_begins BEFORE INSERT ON outbox FOR EACH STATEMENT EXECUTE FUNCTION tidings_begin_outbox();
-- As they are: compressing 1,000 recipients takes PostgreSQL's own method 1.5 ms, three times over for a notification on its way.
ALTER TABLE outbox ALTER COLUMN recipients SET STORAGE EXTERNAL;
"""

forwards = script(ID, DESCRIPTION, SQL)
