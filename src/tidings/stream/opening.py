"""Opening a stream: limits, memberships, the place to start from, the head, and then the socket leaves the framework."""

import asyncio
from typing import TYPE_CHECKING, Any

from litestar import Request, Response
from loguru import logger

from tidings.errors import Malformed, Unavailable
from tidings.events.cursor import Cursor, parse_cursor
from tidings.platform.metrics import REQUESTS, STREAMS_OPENED
from tidings.platform.postgres import POSTGRES_AWAY
from tidings.stream.connection import Connection
from tidings.stream.control import take_endings_since
from tidings.stream.fallback import AsgiTransport
from tidings.stream.frames import HEADERS, expiry_text, jittered_retry, told
from tidings.stream.hub import Hub
from tidings.stream.ids import new_number, stream_id
from tidings.stream.memberships import Joining
from tidings.stream.protocol import EXTENSION
from tidings.stream.replay import Replay, TooFar, catch_up, reset_frame
from tidings.stream.shard import Shard
from tidings.stream.sign_in import Visitor

if TYPE_CHECKING:
    from tidings.stream.edge import StreamEdge

# How long an opening waits for this process to reach a position that PostgreSQL already has.
PATIENCE_S = 5.0

OPENED = REQUESTS.labels(200)


class EventStream(Response[None]):
    """Answers by `open_stream`, so that errors before the head still become problems."""

    def __init__(self, edge: "StreamEdge", visitor: Visitor, cursor: Cursor | None, endings_seen: int) -> None:
        super().__init__(None, media_type="text/event-stream")
        self.edge = edge
        self.visitor = visitor
        self.cursor = cursor
        self.endings_seen = endings_seen

    def to_asgi_response(self, app: Any, request: Request[Any, Any, Any], **_: Any) -> Any:
        return self.answer

    async def answer(self, scope: Any, receive: Any, send: Any) -> None:
        await open_stream(self.edge, scope, receive, send, self.visitor, self.cursor, self.endings_seen)


def asked_cursor(last_event_id: str | None, cursor: str | None) -> Cursor | None:
    """`Last-Event-ID` wins: EventSource sends it when it reconnects to a URL that still carries its first cursor."""
    text = last_event_id or cursor
    return parse_cursor(text) if text else None


async def open_stream(
    edge: "StreamEdge", scope: Any, receive: Any, send: Any, visitor: Visitor, cursor: Cursor | None, endings_seen: int
) -> None:
    """Raises TooMany, Malformed or Unavailable before anything was sent; ends when the stream is live, or over."""
    edge.refuse_when_draining()
    await edge.admission.admit(visitor.subscriber, visitor.tenant.id)
    # From then on it is the connection that leaves when it ends.
    is_open = False
    try:
        with Watching(edge.hub, visitor.subscriber) as watch:
            replay, reason = await start_of(edge, visitor, cursor, watch)
            connection = Connection(edge.hub, replay.shard, visitor, new_number())
            attached = await attach(connection, scope, receive, send)
            if attached is None:
                return
            is_open = True
            head, running = attached
            begin(connection, replay, reason, head)
            await go_live(edge.hub, connection, replay, endings_seen)
    finally:
        if not is_open:
            edge.admission.release(visitor.subscriber, visitor.tenant.id)
    if running is not None:
        await running


async def attach(connection: Connection, scope: Any, receive: Any, send: Any) -> tuple[bytes, asyncio.Task[None] | None] | None:
    """Send the head, and give the connection the socket, or what stands in for it: a task that lasts as long as the stream.

    Answers what of the head is still to be written, and that task; None when the client has gone.
    """
    detach = (scope.get("extensions") or {}).get(EXTENSION)
    if detach is not None:
        detach.prepare()
    await send({"type": "http.response.start", "status": 200, "headers": list(HEADERS if detach else HEADERS[:-1])})
    OPENED.inc()
    if detach is None:
        transport = AsgiTransport(send, receive, connection)
        transport.begin()
        return b"", asyncio.create_task(transport.run())
    head = detach(connection)
    return None if head is None else (head, None)


async def go_live(hub: Hub, connection: Connection, replay: Replay, endings_seen: int) -> None:
    """The head is out, so no problem can be answered any more: a client whose replay is given up comes back to the same cursor."""
    try:
        take_endings_since(hub, endings_seen)
        await catch_up(hub, connection, replay)
    except (Unavailable, *POSTGRES_AWAY) as error:
        logger.debug("a replay was given up: {}", error)
        connection.close_with(told("reconnect", {"reason": "unavailable"}, retry_ms=jittered_retry()), "unavailable")


def begin(connection: Connection, replay: Replay, reason: str | None, head: bytes) -> None:
    """The first event, `ready`: its id is the point from which this stream is complete.

    head: of the response. It goes out with the event: a write of its own costs 12 µs, and as much again at the client.
    """
    if reason is not None:
        replay.start_over()
    cursor = Cursor(replay.epoch, replay.position)
    ready = {
        "stream": stream_id(connection.number, connection.project, connection.subscriber),
        "cursor": str(cursor),
        "expires_at": expiry_text(connection.expires_at),
    }
    frames = told("ready", ready, cursor, retry_ms=jittered_retry())
    connection.transport.write(head + frames if reason is None else head + frames + reset_frame(replay.shard, reason))


async def start_of(edge: "StreamEdge", visitor: Visitor, cursor: Cursor | None, watch: Joining) -> tuple[Replay, str | None]:
    """The replay from the cursor on, or from here; with the reason when the cursor cannot be resumed from."""
    shard = edge.shard(visitor.tenant.shard)
    loaded = await edge.memberships.get((shard.number, visitor.subscriber))
    reason: str | None = None
    if cursor is not None:
        await reach(edge, shard, cursor)
        if cursor.epoch != shard.epoch:
            cursor, reason = None, "epoch"
    position = shard.position if cursor is None else cursor.position
    replay = Replay(edge.database, shard, visitor.tenant.id, visitor.subscriber, loaded, watch, position, edge.reading)
    try:
        await replay.check(edge.settings.replay_limit)
    except TooFar as too_far:
        reason = str(too_far)
    STREAMS_OPENED.labels("reset" if reason else "none" if replay.is_done else "window" if shard.window.reaches(position) else "log").inc()
    return replay, reason


async def reach(edge: "StreamEdge", shard: Shard, cursor: Cursor) -> None:
    """Wait until this process stands where the client has been already, with the help of another one.

    Raises Malformed for a position that the log has not reached.
    """
    if cursor.epoch == shard.epoch and cursor.position <= shard.position:
        return
    head = await edge.heads.get(shard.number)
    if cursor.epoch != head.epoch:
        return
    if cursor.position > head.position:
        raise Malformed(f"The cursor {cursor} lies in the future: the log ends at {head}.", field="cursor")
    try:
        async with asyncio.timeout(PATIENCE_S):
            while shard.epoch != cursor.epoch or shard.position < cursor.position:
                await shard.advanced()
    except TimeoutError as error:
        raise Unavailable("This process has not reached the cursor yet; try again.") from error


class Watching:
    """Changes of the subscriber's memberships are recorded inside. A class, because a generator costs three times as much here."""

    __slots__ = ("hub", "subscriber", "watch")

    def __init__(self, hub: Hub, subscriber: int) -> None:
        self.hub = hub
        self.subscriber = subscriber
        self.watch = Joining()

    def __enter__(self) -> Joining:
        self.hub.joining.setdefault(self.subscriber, []).append(self.watch)
        return self.watch

    def __exit__(self, *_: object) -> None:
        watching = self.hub.joining[self.subscriber]
        watching.remove(self.watch)
        if not watching:
            del self.hub.joining[self.subscriber]
