"""How far each device of a subscriber has come; the delivery side asks, before it sends an e-mail about what was seen already."""

from tidings.access.principals import SubscriberSession
from tidings.errors import Gone, Malformed
from tidings.events.cursor import Cursor, parse_cursor
from tidings.platform.postgres import Database, tenant_connection
from tidings.stream.structs import Acknowledged, Acknowledgement

KEEP = """
INSERT INTO devices AS d (project, subscriber, device, epoch, received, seen) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (subscriber, device) DO UPDATE SET epoch = excluded.epoch, updated_at = now(),
    received = CASE WHEN d.epoch = excluded.epoch THEN greatest(d.received, excluded.received) ELSE excluded.received END,
    seen = CASE WHEN d.epoch = excluded.epoch THEN greatest(d.seen, excluded.seen) ELSE excluded.seen END
RETURNING received, seen
"""


async def acknowledge(database: Database, session: SubscriberSession, ack: Acknowledgement, head: Cursor) -> Acknowledged:
    """Raises Malformed for a cursor of the future, Gone for one of another history."""
    received, seen = (None if text is None else position_in(text, head) for text in (ack.received, ack.seen))
    if seen is not None:
        received = max(received or 0, seen)  # what was seen has arrived
    async with tenant_connection(database, session.tenant.id) as connection:
        row = await connection.fetchrow(KEEP, session.tenant.id, session.subscriber, ack.device, head.epoch, received, seen)
    return Acknowledged(ack.device, *(None if row[name] is None else str(Cursor(head.epoch, row[name])) for name in ("received", "seen")))


def position_in(text: str, head: Cursor) -> int:
    cursor = parse_cursor(text)
    if cursor.epoch != head.epoch:
        raise Gone(f"The cursor {cursor} belongs to a history that is over; read the inbox afresh.", cursor=str(head))
    if cursor.position > head.position:
        raise Malformed(f"The cursor {cursor} lies in the future: the log ends at {head}.", field="cursor")
    return cursor.position
