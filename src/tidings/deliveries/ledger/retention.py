"""The ledger's partitions: made ahead, dropped when they are past retention."""

from tidings.platform.postgres import Connection


async def keep_ledger(connection: Connection, retention_days: int) -> None:
    """Each statement stands alone. Attempts first: a delivery without them is a short history, the other way round is none at all."""
    for table in ("attempts", "deliveries"):
        await connection.execute("SELECT tidings_ensure_id_partitions($1)", table)
        await connection.execute("SELECT tidings_drop_id_partitions($1, $2 * interval '1 day')", table, retention_days)
