"""An event of the log, as the sequencer hands it on and as everyone who follows the log reads it."""

from collections.abc import Sequence
from datetime import datetime

import msgspec


class LogEvent(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One entry of a shard's log.

    position: dense and rising within the shard, from 1.   notification: its id (UUID).
    type: as in `notification.created`, `inbox.read`, `topic.members`.
    recipients: inner ids of ≤ 1,000 subscribers.   topics: inner ids; with `everyone`, the audience of a large notification.
    data: JSON that the people concerned may see.   internal: JSON for Tidings alone.   actor: who did it, as in `key:key_…`.
    accepted_at, created_at: when it was committed to the outbox, and when it got its position.
    """

    position: int
    project: int
    type: str
    notification: str | None
    recipients: list[int] | None
    topics: list[int] | None
    everyone: bool
    data: str
    internal: str | None
    actor: str
    accepted_at: datetime
    created_at: datetime


class NewEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event on its way into the outbox, see LogEvent. data, internal: encoded JSON.

    recipients: inner ids, or PostgreSQL's literal of an array of them.   topic_change: the row of topic_changes that takes this
    event's position.
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


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(LogEvent)


def pack(event: LogEvent) -> bytes:
    """As it lies in the Redis Stream."""
    return _encoder.encode(event)


def unpack(entry: bytes) -> LogEvent:
    """Raises msgspec.DecodeError for what `pack` of this version did not write."""
    return _decoder.decode(entry)
