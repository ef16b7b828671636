"""Who may be told of: the people in whose attributes the named one is true. Nobody else is, also not who is gone."""

from collections.abc import Iterable

import asyncpg

CONSENTING = """
SELECT external_id FROM subscribers
WHERE project = $1 AND external_id = ANY ($2::text[]) AND deleted_at IS NULL AND attributes -> $3::text = 'true'::jsonb
"""


async def consenting(pool: asyncpg.Pool, project: int, people: Iterable[str], attribute: str) -> set[str]:
    """One query, whatever the number of people."""
    names = sorted(set(people))
    return {row[0] for row in await pool.fetch(CONSENTING, project, names, attribute)} if names else set()
