"""The core schema."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from tidings.platform.migrations.script import run_script

ID = "2026-11-23T12:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Tenants, recipients, the log and its projections"


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="tidings", description=DESCRIPTION)
    manager.add_raw(run_core_sql)
    return manager


async def run_core_sql() -> None:
    await run_script("core.sql")
