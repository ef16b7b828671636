"""From the ids a product gave its people to the narrow inner ids that everything else is keyed by."""

from collections.abc import Sequence

from tidings.errors import Invalid
from tidings.platform.postgres import Connection

KNOWN = "SELECT external_id, id FROM tidings_subscribers($1, $2)"
CREATE = "SELECT external_id, id FROM tidings_create_subscribers($1, $2, $3, NULL)"


async def ensure_subscribers(
    connection: Connection, project: int, external_ids: Sequence[str], actor: str, strict: bool = False
) -> dict[str, int]:
    """Inner ids of the people named; those unknown are created, or with `strict` refused.

    Runs inside the caller's tenant transaction. Raises Invalid, naming the unknown.
    """
    # Sorted, so that two transactions creating the same people wait for each other and never in a ring.
    wanted = sorted(set(external_ids))
    if strict:
        return await known_subscribers(connection, project, wanted)
    found = await look_up(connection, project, wanted)
    while missing := [external_id for external_id in wanted if external_id not in found]:
        found.update((row[0], row[1]) for row in await connection.fetch(CREATE, [project] * len(missing), missing, [actor] * len(missing)))
        # Those that another transaction created in between are neither found nor made; the next statement sees them.
        missing = [external_id for external_id in missing if external_id not in found]
        if missing:
            found |= await look_up(connection, project, missing)
    return found


async def look_up(connection: Connection, project: int, wanted: Sequence[str]) -> dict[str, int]:
    """Those that there are."""
    if not wanted:
        return {}
    return {row[0]: row[1] for row in await connection.fetch(KNOWN, [project], wanted)}


async def known_subscribers(connection: Connection, project: int, wanted: Sequence[str]) -> dict[str, int]:
    found = await look_up(connection, project, wanted)
    unknown = [external_id for external_id in wanted if external_id not in found]
    if unknown:
        more = f" and {len(unknown) - 10} more" if len(unknown) > 10 else ""
        raise Invalid(f"There is no subscriber {', '.join(map(repr, unknown[:10]))}{more}, and strict was asked for.", field="to")
    return found
