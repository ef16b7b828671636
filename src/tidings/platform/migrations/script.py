"""Running a file of SQL as a migration."""

from pathlib import Path

from tidings.platform.postgres import ENGINE


async def run_script(name: str) -> None:
    """name: of a file in this folder."""
    transaction = ENGINE.current_transaction.get()
    assert transaction is not None, "a migration runs inside its transaction"
    # Straight to the driver: Piccolo prepares what it runs, and PostgreSQL prepares one statement at a time only.
    await transaction.connection.execute(Path(__file__).with_name(name).read_text())
