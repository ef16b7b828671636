"""What the fast paths rest on."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from tidings.platform.migrations.script import run_script

ID = "2026-11-25T12:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Indexes and columns of the fast paths; recipients uncompressed"


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="tidings", description=DESCRIPTION)
    manager.add_raw(run_speed_sql)
    return manager


async def run_speed_sql() -> None:
    await run_script("speed.sql")
