"""The core schema."""

from pathlib import Path

from tidings.platform.migrations.script import script

ID = "2026-11-23T12:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Tenants, recipients, the log and its projections"
SQL = Path(__file__).with_name("core.sql").read_text()

forwards = script(ID, DESCRIPTION, SQL)
