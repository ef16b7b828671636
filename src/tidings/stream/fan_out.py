"""The fan-out: the next events of a shard to its window, to the connections that they concern, and to whoever waits for any.

Synchronous from end to end, see hub.py. What is pending for a connection goes out in one write: a hundred events to a thousand streams
cost about as much as one.
"""

import time
from collections.abc import Collection, Sequence
from datetime import UTC, datetime

import msgspec
from loguru import logger

from tidings.events.entry import LogEvent
from tidings.events.traced import record_written
from tidings.platform.metrics import EVENTS_STREAMED, STREAM_LAG
from tidings.stream.bare import write_each, write_to_all
from tidings.stream.connection import Connection
from tidings.stream.frames import SETTLED, frame_of
from tidings.stream.hub import Hub
from tidings.stream.shard import Shard

Pending = dict[Connection, bytes | list[bytes]]


class Parcel:
    """Events in a row with one audience, and their frames."""

    __slots__ = ("events", "frames")

    def __init__(self) -> None:
        self.events: list[LogEvent] = []
        self.frames: list[bytes] = []


def deliver(hub: Hub, shard: Shard, events: Sequence[LogEvent]) -> None:
    """Take in events that follow the shard's position."""
    begun_ns = time.time_ns()
    pending: Pending = {}
    parcel = Parcel()
    written = 0
    for event in events:
        frame = readable_frame(event, shard.epoch)
        shard.window.add(event, frame)
        shard.position = event.position
        # Neighbours with the same audience travel as one piece: a burst to a topic costs one loop over it.
        if parcel.events and (not frame or not same_audience(parcel.events[-1], event)):
            written += put_all(hub, pending, parcel)
            parcel = Parcel()
        if not frame:
            # Control may end connections or change who listens, so what came before it goes out before it.
            flush(hub, pending)
            hub.take_control(event)
        elif frame is SETTLED:
            hub.stale_counts.note(event, frame, hub.audience(event))
        elif (recipient := only_recipient(event)) is not None:
            written += give_to_one(hub, pending, event, recipient, frame)
        else:
            parcel.events.append(event)
            parcel.frames.append(frame)
    written += put_all(hub, pending, parcel) if pending else write_at_once(hub, parcel)
    flush(hub, pending)
    shard.wake()
    record_written(events, "write to the open streams", begun_ns)
    if written:
        EVENTS_STREAMED.inc(written)
        STREAM_LAG.observe((datetime.now(UTC) - events[0].accepted_at).total_seconds())


def readable_frame(event: LogEvent, epoch: str) -> bytes:
    try:
        return frame_of(event, epoch)
    except (msgspec.MsgspecError, ValueError):
        logger.exception("event {} of type {} cannot be shown", event.position, event.type)
        return b""


def only_recipient(event: LogEvent) -> int | None:
    recipients = event.recipients
    return recipients[0] if recipients and len(recipients) == 1 and event.topics is None and not event.everyone else None


def same_audience(one: LogEvent, other: LogEvent) -> bool:
    return (
        one.recipients == other.recipients
        and one.topics == other.topics
        and one.everyone == other.everyone
        and one.project == other.project
    )


def give_to_one(hub: Hub, pending: Pending, event: LogEvent, recipient: int, frame: bytes) -> int:
    """As `put_all`, without what many need: a fifth of what a notification to one person cost was on the way to its one write."""
    connections = hub.of(recipient)
    if not connections:
        return 0
    hub.stale_counts.note(event, frame, connections)
    if hub.streamed.has_room:
        hub.streamed.note((event,), len(connections))
    for connection in connections:
        put(pending, connection, frame)
    return len(connections)


def write_at_once(hub: Hub, parcel: Parcel) -> int:
    """The common case, a batch with one audience: no detour by way of `pending`."""
    audience, data = addressed(hub, parcel)
    write_to_all(hub.ring, audience, data)
    return len(audience) * len(parcel.frames)


def put_all(hub: Hub, pending: Pending, parcel: Parcel) -> int:
    audience, data = addressed(hub, parcel)
    for connection in audience:
        put(pending, connection, data)
    return len(audience) * len(parcel.frames)


def put(pending: Pending, connection: Connection, data: bytes) -> None:
    before = pending.get(connection)
    if before is None:
        pending[connection] = data
    elif isinstance(before, list):
        before.append(data)
    else:
        pending[connection] = [before, data]


def flush(hub: Hub, pending: Pending) -> None:
    write_each(hub.ring, {connection: whole(data) for connection, data in pending.items()})
    pending.clear()


def whole(data: bytes | list[bytes]) -> bytes:
    return b"".join(data) if isinstance(data, list) else data


def addressed(hub: Hub, parcel: Parcel) -> tuple[Collection[Connection], bytes]:
    if not parcel.events:
        return (), b""
    audience = hub.audience(parcel.events[0])
    if audience:
        hub.stale_counts.note(parcel.events[0], parcel.frames[0], audience)
        if hub.streamed.has_room:
            hub.streamed.note(parcel.events, len(audience))
    return audience, parcel.frames[0] if len(parcel.frames) == 1 else b"".join(parcel.frames)
