"""What is out by when its lease ends, and what tells of a notification in order."""

from tidings.platform.migrations.script import script

ID = "2026-11-26T23:21:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Leases by their end, notifications in order"

SQL = """
-- Dispatch counts what is out each time. By destination, it came past every lease that there had been since the oldest open snapshot:
-- behind a dump of ten minutes at 1,000 a second that is 600,000. By time, what was leased lately lies at the end of the index.
CREATE INDEX deliveries_leased_until ON deliveries (lease_until) INCLUDE (destination, project) WHERE lease_until IS NOT NULL;
DROP INDEX deliveries_leased;
-- A page of those that tell of a notification: it may have gone to a hundred thousand people.
CREATE INDEX deliveries_of_notification_in_order ON deliveries (notification, id) WHERE notification IS NOT NULL;
DROP INDEX deliveries_of_notification;
"""

forwards = script(ID, DESCRIPTION, SQL)
