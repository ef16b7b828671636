"""Categories: set, read, taken away. All inside the caller's tenant transaction."""

from collections.abc import Sequence

import msgspec

from tidings.access.principals import KeyHolder
from tidings.deliveries.categories.structs import CategoryFields, CategoryInfo, CategoryPage
from tidings.errors import Conflict, NotFound
from tidings.events.entry import NewEvent
from tidings.events.outbox import append
from tidings.platform.keyset import cut
from tidings.platform.postgres import Connection

# The planner keeps all of a project's in memory.
MOST = 1000

GET = "SELECT category, channels, updated_at FROM categories WHERE project = $1 AND category = $2"
LIST = "SELECT category, channels, updated_at FROM categories WHERE project = $1 AND category > $2 ORDER BY category LIMIT $3"
PUT = """
INSERT INTO categories (project, category, channels) VALUES ($1, $2, $3)
ON CONFLICT (project, category) DO UPDATE SET channels = excluded.channels, updated_at = now()
RETURNING category, channels, updated_at, xmax = 0 AS is_new
"""
COUNT = "SELECT count(*) FROM categories WHERE project = $1"
DELETE = "DELETE FROM categories WHERE project = $1 AND category = $2 RETURNING category"


async def put_category(connection: Connection, holder: KeyHolder, category: str, fields: CategoryFields) -> tuple[CategoryInfo, bool]:
    """The category, and whether it is new. Raises Conflict when there are too many."""
    channels = list(dict.fromkeys(fields.channels))
    *row, is_new = await connection.fetchrow(PUT, holder.tenant.id, category, channels)
    if is_new and await connection.fetchval(COUNT, holder.tenant.id) > MOST:
        raise Conflict(f"A project has channels for at most {MOST} categories.")
    await tell(connection, holder, category, channels)
    return CategoryInfo(*row), is_new


async def get_category(connection: Connection, project: int, category: str) -> CategoryInfo:
    """Raises NotFound."""
    row = await connection.fetchrow(GET, project, category)
    if row is None:
        raise unknown(category)
    return CategoryInfo(*row)


async def list_categories(connection: Connection, project: int, after: str | None, limit: int) -> CategoryPage:
    """By their names, which are also the places in the list."""
    rows, more = cut(await connection.fetch(LIST, project, after or "", limit + 1), limit)
    return CategoryPage([CategoryInfo(*row) for row in rows], rows[-1]["category"] if more else None)


async def delete_category(connection: Connection, holder: KeyHolder, category: str) -> None:
    """Raises NotFound."""
    if await connection.fetchval(DELETE, holder.tenant.id, category) is None:
        raise unknown(category)
    await tell(connection, holder, category, [])


async def tell(connection: Connection, holder: KeyHolder, category: str, channels: Sequence[str]) -> None:
    """The planner reads the project anew when it meets this (`ledger/wanted.py`)."""
    data = msgspec.json.encode({"category": category, "channels": channels}).decode()
    event = NewEvent(project=holder.tenant.id, shard=holder.tenant.shard, type="category.updated", data=data, actor=holder.actor)
    await append(connection, [event])


def unknown(category: str) -> NotFound:
    return NotFound(f"Nothing was set for the category {category[:100]!r}.")
