"""Large audiences, expanded into deliveries in pieces, each a transaction: the members as of the notification's position."""

from datetime import datetime

import msgspec

from tidings.deliveries.ledger.channels import addressed
from tidings.deliveries.ledger.wanted import Wish
from tidings.deliveries.ledger.write import Plan, wake, write
from tidings.events.entry import LogEvent
from tidings.events.outbox import literal_of
from tidings.notifications.fanout import CHUNK_OF
from tidings.platform.postgres import Connection

PIECE = 2000

# Whom `everyone` means was stamped with the position; where no inbox is written, there is no such row, and it means those of now.
BEGIN = """
INSERT INTO expansions (project, destination, channel, notification, shard, position, event_at, accepted_at, recipients, topics, everyone,
    newest_subscriber)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::bigint[], $10::bigint[], $11, coalesce(
    (SELECT newest_subscriber FROM fanouts WHERE notification = $4 AND kind = 'deliver' LIMIT 1),
    (SELECT max(id) FROM subscribers WHERE project = $1)
))
"""
CLAIM = """
SELECT x.id, x.project, x.destination, x.channel, x.notification::text, x.shard, x.position, x.event_at, x.accepted_at, x.recipients,
    x.topics, x.everyone, x.newest_subscriber, x.cursor, n.withdrawn_at IS NOT NULL AS is_withdrawn
FROM expansions x JOIN notifications n ON n.id = x.notification
WHERE x.done_at IS NULL ORDER BY x.touched_at LIMIT 1 FOR UPDATE OF x SKIP LOCKED
"""
ADVANCE = """
UPDATE expansions SET cursor = coalesce($2, cursor), written = written + $3, touched_at = clock_timestamp(),
    done_at = CASE WHEN $2::bigint IS NULL THEN clock_timestamp() END
WHERE id = $1
"""


class Expansion(msgspec.Struct, frozen=True):
    """A claimed row."""

    id: int
    project: int
    destination: int
    channel: str
    notification: str
    shard: int
    position: int
    event_at: datetime
    accepted_at: datetime
    recipients: list[int] | None
    topics: list[int] | None
    everyone: bool
    newest_subscriber: int | None
    cursor: int
    is_withdrawn: bool


async def begin_expansion(connection: Connection, shard: int, event: LogEvent, wish: Wish) -> None:
    await connection.execute(
        BEGIN,
        event.project,
        wish.id,
        wish.channel,
        event.notification,
        shard,
        event.position,
        event.created_at,
        event.accepted_at,
        literal_of(event.recipients),
        literal_of(event.topics),
        event.everyone,
    )


async def expand_next(connection: Connection) -> bool:
    """Write the next piece of the audience that was left alone longest, in a transaction of its own; False when there is none."""
    async with connection.transaction():
        row = await connection.fetchrow(CLAIM)
        if row is None:
            return False
        expansion = Expansion(*row)
        if expansion.is_withdrawn:
            await connection.execute(ADVANCE, expansion.id, None, 0)
            return True
        up_to, subscribers = await connection.fetchrow(CHUNK_OF, *arguments_of(expansion))
        event = event_of(expansion)
        plans = [
            Plan(event, expansion.destination, subscriber=subscriber)
            for subscriber in await addressed(connection, expansion.channel, subscribers)
        ]
        held = await write(connection, expansion.shard, plans)
        await connection.execute(ADVANCE, expansion.id, up_to, len(plans))
        await wake(connection, plans, held)
        return True


def arguments_of(expansion: Expansion) -> tuple[object, ...]:
    return (
        expansion.topics or [],
        expansion.position,
        expansion.cursor,
        PIECE,
        expansion.everyone,
        expansion.project,
        expansion.newest_subscriber or 0,
        expansion.recipients or [],
    )


def event_of(expansion: Expansion) -> LogEvent:
    """As much of the notification's event as a delivery refers to."""
    return LogEvent(
        expansion.position,
        expansion.project,
        "notification.created",
        expansion.notification,
        expansion.recipients,
        expansion.topics,
        expansion.everyone,
        "{}",
        None,
        "",
        expansion.accepted_at,
        expansion.event_at,
    )
