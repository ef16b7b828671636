"""A migration that is nothing but SQL."""

from collections.abc import Awaitable, Callable

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from tidings.platform.postgres import ENGINE


def script(identity: str, description: str, sql: str) -> Callable[[], Awaitable[MigrationManager]]:
    """The migration's `forwards`. identity: the ID of its file, which Piccolo wants there too."""

    async def run() -> None:
        transaction = ENGINE.current_transaction.get()
        assert transaction is not None, "a migration runs inside its transaction"
        # Straight to the driver: Piccolo prepares what it runs, and PostgreSQL prepares one statement at a time only.
        await transaction.connection.execute(sql)

    async def forwards() -> MigrationManager:
        manager = MigrationManager(migration_id=identity, app_name="tidings", description=description)
        manager.add_raw(run)
        return manager

    return forwards
