"""Long polls: the same cursors, replay and hub as the stream, for networks that hold a stream back.

Nobody listens between two polls, so counts are not told but follow from the cursor, too: an answer that brings what changed an inbox ends
with its counts as they are now. They have what the answer has; what they have beyond it comes with the next, and counts again.
"""

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from tidings.errors import Unauthenticated
from tidings.events.cursor import Cursor
from tidings.stream.connection import Connection
from tidings.stream.control import take_endings_since
from tidings.stream.frames import BEAT, parsed
from tidings.stream.opening import Watching, start_of
from tidings.stream.replay import Piece, Replay, TooFar
from tidings.stream.sign_in import AnyRequest, Visitor

if TYPE_CHECKING:
    from tidings.stream.edge import StreamEdge

MOST_WAIT_S = 60


class PolledEvent(msgspec.Struct, frozen=True):
    """As on the stream. id: its cursor; that of the answer for `inbox.counts`, which is the last."""

    id: str
    event: str
    data: Any


class Polled(msgspec.Struct, frozen=True):
    """cursor: give it with the next poll. It moves on over events that are not yours, too."""

    events: list[PolledEvent]
    cursor: str


class PollTransport:
    """To the hub a long poll is a connection; what is written to it only wakes it, and the events are read from the window."""

    def __init__(self) -> None:
        self.woken = asyncio.Event()

    def write(self, data: bytes) -> None:
        if data is not BEAT:
            self.woken.set()

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        self.woken.set()

    abort = close


async def poll(edge: "StreamEdge", request: AnyRequest, visitor: Visitor, cursor: Cursor | None, wait: float, endings_seen: int) -> Polled:
    """What came after the cursor, at once if there is something, else as soon as there is."""
    if cursor is None:
        return Polled([], str(edge.shard(visitor.tenant.shard).cursor))
    with Watching(edge.hub, visitor.subscriber) as watch:
        replay, reason = await start_of(edge, visitor, cursor, watch)
        if reason is not None:
            return reset(replay, reason)
        answer = await look(edge, replay)
        if answer.events or wait <= 0 or edge.refuses:
            return answer
        # Only a poll that stays counts as a stream.
        await edge.admission.admit(visitor.subscriber, visitor.tenant.id)
        connection = Connection(edge.hub, replay.shard, visitor, 0)
        transport = PollTransport()
        connection.connection_made(transport)
        try:
            take_endings_since(edge.hub, endings_seen)
            return await wait_for_news(edge, request, connection, transport, replay, wait)
        finally:
            connection.connection_lost(None)


async def wait_for_news(
    edge: "StreamEdge", request: AnyRequest, connection: Connection, transport: PollTransport, replay: Replay, wait: float
) -> Polled:
    loop = asyncio.get_running_loop()
    until = loop.time() + wait
    left = asyncio.create_task(gone(request))
    try:
        while True:
            answer = await look(edge, replay)
            if connection.ended in ("revoked", "deleted", "expired"):
                raise Unauthenticated(f"The token behind this poll has ended: {connection.ended}.", reason=connection.ended)
            if answer.events or connection.ended is not None or left.done() or loop.time() >= until:
                return answer
            if not connection.is_live:
                edge.hub.go_live(connection, replay.topics)
            waking = asyncio.create_task(transport.woken.wait())
            await asyncio.wait((waking, left), timeout=until - loop.time(), return_when=asyncio.FIRST_COMPLETED)
            waking.cancel()
            transport.woken.clear()
    finally:
        left.cancel()


async def look(edge: "StreamEdge", replay: Replay) -> Polled:
    """The next events for this subscriber. Stands at the shard's position when there are none."""
    try:
        while True:
            piece = await replay.next()
            if piece.frames or replay.is_done:
                return await answer_of(edge, replay, piece)
            await asyncio.sleep(0)
    except TooFar as reason:
        return reset(replay, str(reason))


async def answer_of(edge: "StreamEdge", replay: Replay, piece: Piece) -> Polled:
    cursor = str(Cursor(replay.epoch, piece.position))
    events = [PolledEvent(**fields) for _, frame in piece.frames for fields in parsed(frame)]
    if piece.knows_its_counts:
        events.append(PolledEvent(cursor, "inbox.counts", await edge.counts.get(replay.subscriber)))
    return Polled(events, cursor)


def reset(replay: Replay, reason: str) -> Polled:
    cursor = str(replay.shard.cursor)
    return Polled([PolledEvent(cursor, "reset", {"reason": reason, "cursor": cursor})], cursor)


async def gone(request: AnyRequest) -> None:
    """Ends when the client has left."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
