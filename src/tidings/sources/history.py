"""What came from a source: each event once, with what became of it."""

from datetime import datetime

from tidings.access.principals import Tenant
from tidings.platform.keyset import cut, decode_place, encode_place
from tidings.platform.postgres import Connection
from tidings.sources.mappings import Mapped
from tidings.sources.paths import Event
from tidings.sources.sources import GET, row_of
from tidings.sources.structs import Outcome, SourceEvent, SourceEventPage

LAST = 2**63 - 1
MOST_REASON = 500
DELETED_AT_ONCE = 10_000

# One that comes while another transaction has the same event waits for its end, and then knows the outcome, or is the first after all.
CLAIM = """
INSERT INTO source_events (project, source, event_id, type, received_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (source, event_id) DO NOTHING RETURNING id
"""
KNOWN = "SELECT outcome FROM source_events WHERE source = $1 AND event_id = $2"
SETTLE = "UPDATE source_events SET outcome = $2, mapping = $3, reason = $4, notification = $5::uuid WHERE id = $1"
LIST = """
SELECT id AS place, event_id AS id, type, received_at, outcome, mapping, reason, notification::text FROM source_events
WHERE source = $1 AND id < $2 ORDER BY source DESC, id DESC LIMIT $3
"""
DELETE_OLD = """
DELETE FROM source_events WHERE id = ANY (ARRAY(
    SELECT id FROM source_events WHERE received_at < now() - $1 * interval '1 day' ORDER BY received_at LIMIT $2
))
"""


async def claim(connection: Connection, project: int, source: int, event: Event, now: datetime) -> int | Outcome:
    """The row to settle in this transaction, or what became of the event before."""
    row: int | None = await connection.fetchval(CLAIM, project, source, event.id, event.type, now)
    if row is not None:
        return row
    outcome: Outcome = await connection.fetchval(KNOWN, source, event.id)
    return outcome


async def settle(connection: Connection, row: int, mapped: Mapped, notification: str | None) -> None:
    reason = mapped.reason and mapped.reason[:MOST_REASON]
    await connection.execute(SETTLE, row, mapped.outcome, mapped.mapping, reason, notification)


async def list_events(connection: Connection, tenant: Tenant, key: str, after: str | None, limit: int) -> SourceEventPage:
    """Those that came last first. Raises NotFound."""
    source = (await row_of(connection, GET, tenant, key))["id"]
    rows, more = cut(await connection.fetch(LIST, source, decode_place(after) or LAST, limit + 1), limit)
    events = [SourceEvent(**{name: row[name] for name in SourceEvent.__struct_fields__}) for row in rows]
    return SourceEventPage(events, encode_place(rows[-1]["place"]) if more else None)


async def keep_events(connection: Connection, retention_days: int) -> None:
    """Forget those past their time, piece by piece. Each statement stands alone."""
    while await connection.execute(DELETE_OLD, retention_days, DELETED_AT_ONCE) == f"DELETE {DELETED_AT_ONCE}":
        pass
