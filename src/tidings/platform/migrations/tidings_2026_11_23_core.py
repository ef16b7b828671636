"""The core schema."""

from pathlib import Path

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from tidings.platform.postgres import ENGINE

ID = "2026-11-23T12:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Tenants, recipients, the log and its projections"


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="tidings", description=DESCRIPTION)
    manager.add_raw(run_core_sql)
    return manager


async def run_core_sql() -> None:
    transaction = ENGINE.current_transaction.get()
    assert transaction is not None, "a migration runs inside its transaction"
    # Straight to the driver: Piccolo prepares what it runs, and PostgreSQL prepares one statement at a time only.
    await transaction.connection.execute(Path(__file__).with_name("core.sql").read_text())
