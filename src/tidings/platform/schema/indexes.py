"""Indexes of tables that may be large: built before their migration, beside whoever writes, and not inside its transaction.

What was begun and not finished (a kill, a lost connection) leaves an index that is not valid; it is built anew the next time.
"""

from typing import NamedTuple

import asyncpg

INVALID = """
SELECT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass($1) AND NOT indisvalid)
"""
PARTITIONS = "SELECT relid::regclass::text FROM pg_partition_tree($1::regclass) WHERE isleaf AND relid <> $1::regclass"
IS_PARTITIONED = "SELECT relkind = 'p' FROM pg_class WHERE oid = $1::regclass"


class Index(NamedTuple):
    """definition: what follows the table, as in `(project, id) WHERE deleted_at IS NULL`."""

    name: str
    table: str
    definition: str
    is_unique: bool = False


async def build(connection: asyncpg.Connection, index: Index) -> None:
    """Outside a transaction."""
    if await connection.fetchval(IS_PARTITIONED, index.table):
        await build_on_partitions(connection, index)
    else:
        await build_on(connection, index, index.name, index.table)


async def build_on_partitions(connection: asyncpg.Connection, index: Index) -> None:
    """PostgreSQL builds none concurrently on the whole: one by one, and then the whole knows them."""
    kind = "UNIQUE INDEX" if index.is_unique else "INDEX"
    await connection.execute(f"CREATE {kind} IF NOT EXISTS {index.name} ON ONLY {index.table} {index.definition}")
    for partition in [row[0] for row in await connection.fetch(PARTITIONS, index.table)]:
        name = f"{index.name}_{partition.rsplit('.', 1)[-1].removeprefix(index.table + '_')}"
        await build_on(connection, index, name, partition)
        await connection.execute(f"ALTER INDEX {index.name} ATTACH PARTITION {name}")


async def build_on(connection: asyncpg.Connection, index: Index, name: str, table: str) -> None:
    if await connection.fetchval(INVALID, name):
        await patiently(connection, f"DROP INDEX CONCURRENTLY {name}")
    kind = "UNIQUE INDEX" if index.is_unique else "INDEX"
    await patiently(connection, f"CREATE {kind} CONCURRENTLY IF NOT EXISTS {name} ON {table} {index.definition}")


async def patiently(connection: asyncpg.Connection, statement: str) -> None:
    """Waits for every transaction that is under way, but holds nothing that anybody wants meanwhile: so without a lock_timeout, which would
    give up because of a long one. Whatever else is done to an index has others wait behind it, and keeps its timeout.
    """
    before = await connection.fetchval("SHOW lock_timeout")
    await connection.execute("SET lock_timeout = 0")
    await connection.execute(statement)
    await connection.execute(f"SET lock_timeout = '{before}'")
