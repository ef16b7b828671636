"""How far the ends of deliveries are counted; the row that keeps two who count apart."""

from tidings.platform.migrations.script import script

ID = "2026-11-25T23:54:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Service checks"

SQL = """
CREATE TABLE service_checks (
    one boolean PRIMARY KEY DEFAULT true CHECK (one), -- there is no second row
    counted_to timestamptz NOT NULL DEFAULT date_trunc('minute', now()), -- what ended before is counted for good
    checked_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO service_checks DEFAULT VALUES;
GRANT SELECT, UPDATE ON service_checks TO tidings_worker;
GRANT SELECT ON service_checks TO tidings_api, tidings_backup;
"""

forwards = script(ID, DESCRIPTION, SQL)
