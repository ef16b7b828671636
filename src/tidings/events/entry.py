"""An event of the log, as the sequencer hands it on and as everyone who follows the log reads it."""

from array import array
from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec.structs import force_setattr, replace


class LogEvent(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One entry of a shard's log.

    position: dense and rising within the shard, from 1.   notification: its id (UUID).
    type: as in `notification.created`, `inbox.read`, `topic.members`.
    recipients: inner ids of ≤ 1,000 subscribers.   topics: inner ids; with `everyone`, the audience of a large notification.
    data: JSON that the people concerned may see.   internal: JSON for Tidings alone.   actor: who did it, as in `key:key_…`.
    accepted_at, created_at: when it was committed to the outbox, and when it got its position.   trace: `traceparent` of its commit, where
    that is sampled; last, so that versions that know nothing of it read it, and are read.
    """

    position: int
    project: int
    type: str
    notification: str | None
    recipients: Sequence[int] | None
    topics: list[int] | None
    everyone: bool
    data: str
    internal: str | None
    actor: str
    accepted_at: datetime
    created_at: datetime
    trace: str | None = None


class NewEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event on its way into the outbox, see LogEvent. data, internal: encoded JSON.

    recipients: inner ids, or PostgreSQL's literal of an array of them.   topic_change: the row of topic_changes that takes this
    event's position.   trace: `traceparent`; None for that of the request under way.
    """

    project: int
    shard: int
    type: str
    data: str
    actor: str
    notification: str | None = None
    recipients: Sequence[int] | str | None = None
    topics: Sequence[int] | None = None
    everyone: bool = False
    internal: str | None = None
    topic_change: int | None = None
    trace: str | None = None


class Wide(msgspec.Struct, frozen=True, array_like=True):
    """An event with many recipients, which stand beside it, eight bytes each: reading 1,000 numbers one by one took 35 to 60 µs, and so
    did comparing them with those of the event before.
    """

    event: LogEvent
    recipients: bytes


# From so many recipients on they stand beside.
BESIDE = 16
# How MessagePack begins an array of two, which is Wide; a LogEvent has more.
WIDE_START = b"\x92"

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(LogEvent)
_wide_decoder = msgspec.msgpack.Decoder(Wide)


def pack(event: LogEvent) -> bytes:
    """As it lies in the Redis Stream. Little-endian, as every machine is that this runs on."""
    if event.recipients is None or len(event.recipients) < BESIDE:
        return _encoder.encode(event)
    return _encoder.encode(Wide(replace(event, recipients=None), array("q", event.recipients).tobytes()))


# What `unpack` raises for what `pack` of this version did not write.
UNREADABLE = (msgspec.DecodeError, ValueError)


def unpack(entry: bytes) -> LogEvent:
    """Raises what UNREADABLE names."""
    if entry[:1] != WIDE_START:
        return _decoder.decode(entry)
    wide = _wide_decoder.decode(entry)
    recipients = array("q")
    recipients.frombytes(wide.recipients)
    force_setattr(wide.event, "recipients", recipients)
    return wide.event
