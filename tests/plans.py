"""How PostgreSQL would carry out the statements that the product sends: `Explaining` stands in for a connection and explains each.

Both ways, as planned for these arguments and as planned once for all, because a prepared statement may meet either. EXPLAIN ANALYZE carries
the statement out, in a savepoint that is rolled back; then it runs as it was sent.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import uuid4

import msgspec

# Of a handful of rows whatever happens, so reading all of them is right.
SMALL = {"shards", "projects", "topics", "topic_changes", "inbox_states", "fanouts"}


class Plan(msgspec.Struct):
    """A statement as it was carried out."""

    sql: str
    mode: str
    root: dict[str, Any]

    def nodes(self) -> Iterator[dict[str, Any]]:
        waiting = [self.root]
        while waiting:
            node = waiting.pop()
            yield node
            waiting += node.get("Plans", [])

    @property
    def whole_tables(self) -> list[str]:
        """Large tables that are read from one end to the other. `events_20261123` is one of `events`."""
        scans = [node["Relation Name"] for node in self.nodes() if node["Node Type"] == "Seq Scan" and node["Actual Loops"]]
        return [name for name in scans if name not in SMALL]

    @property
    def touched(self) -> int:
        """Rows that any step of it looked at, those it threw away too."""
        return max(int(rows_of(node)) for node in self.nodes())

    def __str__(self) -> str:
        return f"{self.mode}: {self.sql}\n" + "\n".join(
            f"  {node['Node Type']} {node.get('Index Name') or node.get('Relation Name') or ''} {rows_of(node):.0f} rows"
            for node in self.nodes()
        )


def rows_of(node: dict[str, Any]) -> float:
    thrown_away = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    found: float = (node["Actual Rows"] + thrown_away) * node["Actual Loops"]
    return found


class Explaining:
    """A connection, inside a transaction, that remembers how its statements were carried out."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.plans: list[Plan] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.connection, name)

    async def fetch(self, sql: str, *values: Any) -> Any:
        await self.explain(sql, values)
        return await self.connection.fetch(sql, *values)

    async def fetchrow(self, sql: str, *values: Any) -> Any:
        await self.explain(sql, values)
        return await self.connection.fetchrow(sql, *values)

    async def fetchval(self, sql: str, *values: Any) -> Any:
        await self.explain(sql, values)
        return await self.connection.fetchval(sql, *values)

    async def execute(self, sql: str, *values: Any) -> Any:
        await self.explain(sql, values)
        return await self.connection.execute(sql, *values)

    async def explain(self, sql: str, values: tuple[Any, ...]) -> None:
        if sql.startswith("SET "):
            return
        name = f"plan_{uuid4().hex}"
        arguments = f"({', '.join(map(literal, values))})" if values else ""
        await self.connection.execute(f"PREPARE {name} AS {sql}")
        for mode in ("custom", "generic"):
            savepoint = self.connection.transaction()
            await savepoint.start()
            await self.connection.execute(f"SET LOCAL plan_cache_mode = force_{mode}_plan")
            told = await self.connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE {name}{arguments}")
            await savepoint.rollback()
            self.plans.append(Plan(sql, mode, msgspec.json.decode(told)[0]["Plan"]))
        await self.connection.execute(f"DEALLOCATE {name}")

    def check(self, most: int) -> None:
        """No large table is read whole, and no step looks at more than `most` rows."""
        assert self.plans
        for plan in self.plans:
            assert not plan.whole_tables, str(plan)
            assert plan.touched <= most, str(plan)
        self.plans.clear()


def literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool | int | float):
        return str(value)
    if isinstance(value, bytes):
        return f"'\\x{value.hex()}'"
    if isinstance(value, datetime):
        return f"'{value.isoformat()}'"
    if isinstance(value, list | tuple):
        return f"'{{{','.join(element(one) for one in value)}}}'"
    return "'" + str(value).replace("'", "''") + "'"


def element(value: Any) -> str:
    return "NULL" if value is None else '"' + str(value).replace("\\", "\\\\").replace('"', '\\"').replace("'", "''") + '"'
