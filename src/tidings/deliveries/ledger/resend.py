"""Sending one delivery again, and giving one up. Inside the caller's tenant transaction.

The lane is locked first, then the delivery without waiting for it (others take them the other way round): whoever has it is about to
change it.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from tidings.access.principals import KeyHolder
from tidings.deliveries.destinations.kinds import by_kind, kind_of
from tidings.deliveries.ledger.listing import delivery_id, get_delivery, unknown
from tidings.deliveries.ledger.settle import ADVANCE
from tidings.deliveries.ledger.structs import DeliveryInfo
from tidings.errors import Conflict
from tidings.events.entry import NewEvent
from tidings.events.outbox import append
from tidings.platform.postgres import Connection

LOCK_LANE = """
SELECT l.paused, t.key, t.deleted_at FROM lanes l JOIN destinations t ON t.id = l.destination
WHERE l.destination = (SELECT destination FROM deliveries WHERE project = $1 AND id = $2) FOR UPDATE OF l
"""
LOCK = "SELECT destination, order_key, state, lease_until, type FROM deliveries WHERE id = $1 FOR UPDATE NOWAIT"


def has_its_turn(delivery: str) -> str:
    """SQL: nothing of its order is on its way. Of each key one is; the others wait at infinity for that one to end."""
    return f"""({delivery}.order_key IS NULL OR NOT EXISTS (
        SELECT FROM deliveries AS other WHERE other.destination = {delivery}.destination AND other.order_key = {delivery}.order_key
          AND other.state = 'pending' AND other.id <> {delivery}.id AND other.next_attempt_at < 'infinity'))"""


RESEND = f"""
UPDATE deliveries d SET state = 'pending', round = attempts, finished_at = NULL,
    reason = CASE WHEN state = 'held' THEN NULL ELSE reason END,
    next_attempt_at = CASE WHEN {has_its_turn("d")} THEN $2::timestamptz ELSE 'infinity' END
WHERE id = $1
"""
CANCEL = "UPDATE deliveries SET state = 'cancelled', reason = 'cancelled', finished_at = $2 WHERE id = $1"
# LEAST passes over null: a lane for which nothing waited is due now.
WAKE = "UPDATE lanes SET due_at = least(due_at, $2) WHERE destination = $1 AND NOT paused"


async def resend(connection: Connection, holder: KeyHolder, identity: str, now: datetime) -> DeliveryInfo:
    """Make a delivery due now, with the whole schedule before it. Raises NotFound, or Conflict when it cannot be sent."""
    delivery = delivery_id(identity)
    lane, row = await locked(connection, holder.tenant.id, delivery)
    if lane["deleted_at"] is not None:
        raise Conflict(f"Its {kind_of(lane['key']).name} {lane['key']} was deleted.")
    if lane["paused"]:
        raise Conflict(f"Its {kind_of(lane['key']).name} {lane['key']} is disabled; enable it first.")
    if row["lease_until"] is not None:
        raise Conflict("It is being sent right now; look at its attempts in a moment.")
    await connection.execute(RESEND, delivery, now)
    return await told(connection, holder, "delivery.resent", delivery, lane["key"], row, now)


async def cancel(connection: Connection, holder: KeyHolder, identity: str, now: datetime) -> DeliveryInfo:
    """Give a delivery up. One that is on its way may arrive all the same, and is delivered then.

    Raises NotFound, or Conflict when it has come to another end.
    """
    delivery = delivery_id(identity)
    lane, row = await locked(connection, holder.tenant.id, delivery)
    if row["state"] == "cancelled":
        return await get_delivery(connection, holder.tenant.id, identity)
    if row["state"] not in ("pending", "held"):
        raise Conflict(f"It is {row['state']} already.", state=row["state"])
    await connection.execute(CANCEL, delivery, now)
    if row["order_key"] is not None:
        await connection.execute(ADVANCE, [row["destination"]], [row["order_key"]])
    return await told(connection, holder, "delivery.cancelled", delivery, lane["key"], row, now)


async def locked(connection: Connection, project: int, delivery: UUID) -> tuple[Any, Any]:
    """Its lane and itself. Raises NotFound; Conflict when somebody else is at it."""
    lane = await connection.fetchrow(LOCK_LANE, project, delivery)
    if lane is None:
        raise unknown(str(delivery))
    try:
        return lane, await connection.fetchrow(LOCK, delivery)
    except asyncpg.LockNotAvailableError:
        raise Conflict("It is being sent or changed right now; try again in a moment.") from None


async def told(
    connection: Connection, holder: KeyHolder, kind: str, delivery: UUID, destination: str, row: Any, now: datetime
) -> DeliveryInfo:
    """Wake the lane, tell the log; the delivery as it is now."""
    await connection.execute(WAKE, row["destination"], now)
    info = await get_delivery(connection, holder.tenant.id, str(delivery))
    data = msgspec.json.encode({"id": str(delivery), **by_kind(destination), "type": row["type"]}).decode()
    await append(connection, [NewEvent(project=holder.tenant.id, shard=holder.tenant.shard, type=kind, data=data, actor=holder.actor)])
    return info
