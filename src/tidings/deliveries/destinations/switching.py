"""Switching a destination off and on. What happens meanwhile is held, and sent by a replay when that is asked for."""

from tidings.access.principals import KeyHolder
from tidings.deliveries.destinations.kinds import Kind
from tidings.deliveries.destinations.rows import PAUSE, locked, tell
from tidings.deliveries.destinations.structs import MOST_COUNTED, Enabled
from tidings.deliveries.ledger.ranges import IN_ORDER, of_destination
from tidings.deliveries.ledger.replays import Range, begin_replay
from tidings.platform.postgres import Connection

DISABLE = "UPDATE destinations SET disabled_at = now(), disabled_as = 'by_hand', updated_at = now() WHERE id = $1"
ENABLE = "UPDATE destinations SET disabled_at = NULL, disabled_as = NULL, updated_at = now() WHERE id = $1"
# With a clean record: otherwise the first failure would disable it again.
RESUME = """
UPDATE lanes SET paused = false, due_at = now(), breaker = 'closed', opened_at = NULL, openings = 0, good = 0, bad = 0, good_before = 0,
    bad_before = 0, failing_since = NULL, failures = 0, warned = 0 WHERE destination = $1
"""
HELD = f"""
SELECT (SELECT count(*) FROM (SELECT FROM {of_destination("held")} LIMIT {MOST_COUNTED}) AS h) AS held,
       (SELECT accepted_at FROM {of_destination("held")} LIMIT 1) AS since
"""


async def disable(connection: Connection, kind: Kind, holder: KeyHolder, key: str) -> None:
    """Nothing changes when it was disabled before. Raises NotFound."""
    row = await locked(connection, kind, holder.tenant, key)
    if row["disabled_at"] is None:
        await connection.execute(PAUSE, row["id"])
        await connection.execute(DISABLE, row["id"])
        await tell(connection, kind, holder, "disabled", key, reason="by_hand")


async def enable(connection: Connection, kind: Kind, holder: KeyHolder, key: str, backfill: bool) -> Enabled:
    """backfill: begin a replay of what was held. Raises NotFound."""
    row = await locked(connection, kind, holder.tenant, key)
    is_new = row["disabled_at"] is not None
    if is_new:
        await connection.execute(RESUME, row["id"])
        await connection.execute(ENABLE, row["id"])
    await connection.execute(IN_ORDER)
    held, since = await connection.fetchrow(HELD, holder.tenant.id, row["id"])
    replay = None
    if backfill and held:
        replay = await begin_replay(connection, holder, row["id"], key, Range(None, None, ["held"]))
    if is_new:
        await tell(connection, kind, holder, "enabled", key)
    return Enabled(id=key, held=held, since=since, replay=replay)
