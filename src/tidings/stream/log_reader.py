"""GET /v1/events: a project's part of the ordered log, for consumers that keep their own cursor."""

import asyncio
from typing import TYPE_CHECKING

import msgspec

from tidings.access.principals import KeyHolder
from tidings.errors import Gone, Unauthenticated
from tidings.events.cursor import Cursor, parse_cursor
from tidings.events.entry import LogEvent
from tidings.events.log import oldest_position, read_after
from tidings.platform.postgres import tenant_connection
from tidings.stream.opening import reach
from tidings.stream.poll import gone
from tidings.stream.shard import Shard
from tidings.stream.sign_in import AnyRequest
from tidings.stream.structs import LoggedEvent, LogPage

if TYPE_CHECKING:
    from tidings.stream.edge import StreamEdge

# Positions looked at in one statement, and statements in one request: other projects share the shard.
SPAN = 10_000
MOST_SPANS = 10


class Recipients(msgspec.Struct):
    recipients: int | None = None


async def read_log(edge: "StreamEdge", request: AnyRequest, holder: KeyHolder, after: str, limit: int, wait: float) -> LogPage:
    """Events after a cursor (`0`: from the oldest retained), waiting for one if there is none.

    Raises Gone for a cursor of another epoch. Ends when the key is revoked meanwhile.
    """
    shard = edge.shard(holder.tenant.shard)
    position = await start(edge, shard, after)
    loop = asyncio.get_running_loop()
    until = loop.time() + wait
    left: asyncio.Task[None] | None = None
    try:
        while True:
            epoch = shard.epoch
            events, position = await scan(edge, shard, holder, position, limit)
            if shard.epoch != epoch:
                raise history_is_over(shard)
            if events or loop.time() >= until or edge.is_draining or (left is not None and left.done()):
                return LogPage([logged(event, epoch) for event in events], str(Cursor(epoch, position)))
            left = left or asyncio.create_task(gone(request))
            if position >= shard.position:
                # Woken by any event of the shard, and each second to see that the process drains.
                await asyncio.wait((shard.advanced(), left), timeout=min(1.0, until - loop.time()), return_when=asyncio.FIRST_COMPLETED)
            if edge.access.key_revoked(holder.key):
                raise Unauthenticated("This API key was revoked while the request waited.", reason="revoked")
    finally:
        if left is not None:
            left.cancel()


async def start(edge: "StreamEdge", shard: Shard, after: str) -> int:
    if after == "0":
        return max(0, await oldest_position(edge.database.system, shard.number) - 1)
    cursor = parse_cursor(after)
    await reach(edge, shard, cursor)
    if cursor.epoch != shard.epoch:
        raise history_is_over(shard)
    return cursor.position


def history_is_over(shard: Shard) -> Gone:
    return Gone(
        "This cursor belongs to a history that is over (a restore, or a server that took over). Reconcile what you keep, then go on from "
        f"the cursor {shard.cursor}, or from 0 for all that the log retains.",
        cursor=str(shard.cursor),
    )


async def scan(edge: "StreamEdge", shard: Shard, holder: KeyHolder, position: int, limit: int) -> tuple[list[LogEvent], int]:
    """At most `limit` events after the position, and how far was looked. Bounded: `next` tells where to go on."""
    # What this process has seen is committed, so nothing can appear behind it.
    end = shard.position
    for _ in range(MOST_SPANS):
        if position >= end:
            break
        up_to = min(position + SPAN, end)
        async with tenant_connection(edge.database, holder.tenant.id) as connection:
            events = await read_after(connection, shard.number, position, limit, up_to=up_to)
        if events:
            return events, events[-1].position if len(events) == limit else up_to
        position = up_to
    return [], position


def logged(event: LogEvent, epoch: str) -> LoggedEvent:
    known = len(event.recipients) if event.recipients is not None else None
    if known is None and event.internal is not None:
        known = msgspec.json.decode(event.internal, type=Recipients).recipients
    return LoggedEvent(
        str(Cursor(epoch, event.position)),
        event.type,
        msgspec.Raw(event.data.encode()),
        event.actor,
        known,
        event.created_at,
        event.notification,
    )
