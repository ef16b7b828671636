"""What goes through which channel, and who of an audience can be reached by it."""

from collections.abc import Collection
from typing import Literal

from tidings.platform.postgres import Connection

Channel = Literal["webhook", "analytics", "chat", "email", "sms", "push"]

# They get each event that their filter names, once.
BY_FILTER = frozenset({"webhook", "analytics"})
# They get each notification that goes through their channel, once: a room is told, not a person.
TO_A_ROOM = frozenset({"chat"})
# Each recipient gets one who has an address there.
TO_PEOPLE = frozenset({"email", "sms", "push"})

ADDRESSED = {
    "email": "s.email IS NOT NULL",
    "sms": "s.phone IS NOT NULL",
    "push": "EXISTS (SELECT FROM push_subscriptions p WHERE p.subscriber = s.id)",
}


async def addressed(connection: Connection, channel: str, subscribers: Collection[int]) -> list[int]:
    """Those of the subscribers who have an address for the channel, in the order of their ids."""
    rows = await connection.fetch(
        f"SELECT s.id FROM subscribers s WHERE s.id = ANY ($1) AND s.deleted_at IS NULL AND {ADDRESSED[channel]} ORDER BY s.id", subscribers
    )
    return [row[0] for row in rows]
