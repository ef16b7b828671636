"""Finding people by e-mail; telling that one was deleted."""

from tidings.platform.migrations.script import script

ID = "2026-11-25T12:02:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Finding people by e-mail; telling that one was deleted"

SQL = """
-- Under row-level security an index on lower(email) is never used: lower() is not leakproof.
ALTER TABLE subscribers ADD COLUMN email_key text GENERATED ALWAYS AS (lower(email)) STORED;
DROP INDEX subscribers_by_email;
CREATE INDEX subscribers_by_email ON subscribers (project, email_key) WHERE deleted_at IS NULL AND email_key IS NOT NULL;

-- By a trigger, so that a process of the version before tells it too.
CREATE FUNCTION tidings_person_deleted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    UPDATE projects SET people_deleted = people_deleted + 1 WHERE id = NEW.project;
    RETURN NULL;
END $$;
CREATE TRIGGER subscribers_deleted AFTER UPDATE OF deleted_at ON subscribers FOR EACH ROW
    WHEN (OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL) EXECUTE FUNCTION tidings_person_deleted();
"""

forwards = script(ID, DESCRIPTION, SQL)
