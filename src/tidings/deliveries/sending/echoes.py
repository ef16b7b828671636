"""`delivery.delivered` and `delivery.dead`: events about deliveries, for projects in which somebody asks for them by name."""

import asyncio
import contextlib

import asyncpg
import msgspec

from tidings.deliveries.connectors.connector import Destination
from tidings.deliveries.connectors.registry import CONNECTORS
from tidings.deliveries.destinations.kinds import by_kind
from tidings.deliveries.ledger.claim import Claimed
from tidings.deliveries.ledger.outcome import Next, Outcome
from tidings.deliveries.ledger.wanted import ON_REQUEST
from tidings.events.entry import NewEvent
from tidings.platform.ending import end_tasks
from tidings.platform.postgres import POSTGRES_AWAY

LOOK_S = 1.0

ASKED = """
SELECT DISTINCT project FROM destinations
WHERE events && '{delivery.*,delivery.delivered,delivery.dead}' AND deleted_at IS NULL AND disabled_at IS NULL
"""


class Echoes:
    """projects: in which somebody asks, as of a second ago."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.pool = pool
        self.projects: set[int] = set()
        self.looking: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.looking = asyncio.create_task(self.look())

    async def stop(self) -> None:
        await end_tasks([self.looking])

    async def look(self) -> None:
        while True:
            # While PostgreSQL is away, what was known still holds.
            with contextlib.suppress(*POSTGRES_AWAY):
                self.projects = {row[0] for row in await self.pool.fetch(ASKED)}
            await asyncio.sleep(LOOK_S)

    def of(self, delivery: Claimed, destination: Destination | None, outcome: Outcome, following: Next) -> NewEvent | None:
        """The event to append when this attempt is settled. None for what is not at its end, and for what tells of a delivery itself,
        as analytics do with each.
        """
        is_asked = delivery.project in self.projects and following.state != "pending"
        if not is_asked or destination is None or delivery.type.startswith(ON_REQUEST):
            return None
        if CONNECTORS[destination.connector].channel == "analytics":
            return None
        data = {
            "id": delivery.id,
            **by_kind(destination.key),
            "channel": CONNECTORS[destination.connector].channel,
            "subscriber": delivery.external_id,
            "type": delivery.type,
            "notification": delivery.notification,
            "attempts": delivery.number,
            "status": outcome.status,
            "reason": outcome.reason,
        }
        return NewEvent(
            project=delivery.project,
            shard=destination.shard,
            type=f"delivery.{following.state}",
            data=msgspec.json.encode(data).decode(),
            actor="system:deliveries",
            notification=delivery.notification,
        )
