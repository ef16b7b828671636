"""Through which channels a category goes, when a notification does not say."""

from tidings.platform.migrations.script import script

ID = "2026-11-25T23:19:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Categories"

SQL = """
CREATE TABLE categories (
    project int NOT NULL,
    category text NOT NULL,
    channels text[] NOT NULL,                       -- besides those that the notification names
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project, category)
);
ALTER TABLE categories ENABLE ROW LEVEL SECURITY;
ALTER TABLE categories FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON categories TO tidings_api USING (project = tidings_project()) WITH CHECK (project = tidings_project());
CREATE POLICY worker ON categories TO tidings_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON categories TO tidings_api, tidings_worker;
GRANT SELECT ON categories TO tidings_backup;
"""

forwards = script(ID, DESCRIPTION, SQL)
