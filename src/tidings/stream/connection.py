"""An open stream, after its socket left the framework: a small slotted protocol, without a task or a timer of its own.

`write` is what the fan-out calls, and it is the state: while replaying it does nothing (the replay reads the hot window, where the event
already is), live it is the transport's own method, and while the client does not read it is bounded. So the loop over 10,000
connections has no branch.
"""

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tidings.platform.metrics import STREAMS_CLOSED
from tidings.stream.bare import descriptor_of
from tidings.stream.frames import told

if TYPE_CHECKING:
    from tidings.stream.hub import Hub
    from tidings.stream.shard import Shard
    from tidings.stream.sign_in import Visitor

# A stream has nothing to say to us: more than this is no client of ours.
MOST_IGNORED = 64 * 1024
# A client whose stream ended because of its credential comes back soon to be told why; it need not hurry.
RETRY_AFTER_END_MS = 5000


class Connection(asyncio.Protocol):
    """transport: asyncio's, or one of ours with the same methods (`fallback.py`, `poll.py`).

    number: the one in its stream id.   issued_at, expires_at: of the token behind it, Unix seconds.   signed_by: the token's key.
    session, generation: of the ticket that opened it.   bucket: its second in the heartbeat's wheel.
    paused_at: since when it does not read.   ended: why Tidings ended it.
    descriptor: of its socket while it may be written to past its transport (bare.py), otherwise -1.
    """

    __slots__ = (
        *("hub", "shard", "project", "subscriber", "topics", "number"),
        *("issued_at", "expires_at", "signed_by", "session", "generation"),
        *("transport", "write", "descriptor", "is_live", "ended", "paused_at", "drained", "ignored", "bucket"),
    )

    def __init__(self, hub: "Hub", shard: "Shard", visitor: "Visitor", number: int) -> None:
        self.hub = hub
        self.shard = shard
        self.project = visitor.tenant.id
        self.subscriber = visitor.subscriber
        self.issued_at = visitor.issued_at
        self.expires_at = visitor.expires_at
        self.signed_by = visitor.signed_by
        self.session = visitor.session
        self.generation = visitor.generation
        self.number = number
        self.topics: tuple[int, ...] = ()
        self.bucket = 0
        self.ignored = 0
        self.paused_at = 0.0
        self.is_live = False
        self.drained: asyncio.Future[None] | None = None
        self.ended: str | None = None
        self.transport: Any = None
        self.write: Callable[[bytes], Any] = nothing
        self.descriptor = -1

    @property
    def is_open(self) -> bool:
        return self.transport is not None and self.ended is None and not self.transport.is_closing()

    # The transport's side

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.hub.attach(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Everything is freed here and now, whoever ended it."""
        self.hub.detach(self)
        self.write_by(nothing)
        self.transport = None
        self.wake()

    def data_received(self, data: bytes) -> None:
        self.ignored += len(data)
        if self.ignored > MOST_IGNORED:
            self.abort("chatter")

    def eof_received(self) -> None:
        """Closes: nearly every client that sends this is gone, and half a connection is no stream (docs/decisions/0006)."""
        self.watch_flush()

    def pause_writing(self) -> None:
        self.paused_at = time.monotonic()
        self.hub.paused.add(self)
        if self.is_live:
            self.write_by(self.write_bounded)

    def resume_writing(self) -> None:
        if self.paused_at and self.ended is None:
            self.paused_at = 0.0
            self.hub.paused.discard(self)
        if self.is_live and self.transport is not None:
            self.write_freely()
        self.wake()

    # The hub's side

    def go_live(self) -> None:
        self.is_live = True
        if self.paused_at:
            self.write_by(self.write_bounded)
        else:
            self.write_freely()

    def write_freely(self) -> None:
        self.write = self.transport.write
        self.descriptor = descriptor_of(self.transport)

    def write_by(self, way: Callable[[bytes], Any]) -> None:
        self.write = way
        self.descriptor = -1

    def write_bounded(self, data: bytes) -> None:
        """The client is behind; it may be by this much. Beyond, it is cut off and resumes by its cursor."""
        if self.transport.get_write_buffer_size() + len(data) > self.hub.most_buffered:
            self.abort("slow")
        else:
            self.transport.write(data)

    async def wait_drained(self) -> None:
        """Until the client has read enough to be given more, or is gone."""
        if self.paused_at and self.transport is not None:
            self.drained = asyncio.get_running_loop().create_future()
            await self.drained

    def wake(self) -> None:
        if self.drained is not None and not self.drained.done():
            self.drained.set_result(None)
        self.drained = None

    def close(self, reason: str) -> None:
        """End it because its credential did, saying why. The client is not to come back with the same one."""
        self.close_with(told("closed", {"reason": reason}, retry_ms=RETRY_AFTER_END_MS), reason)

    def close_with(self, last_words: bytes, reason: str) -> None:
        if self.ended is not None or self.transport is None:
            return
        self.end(reason)
        self.transport.write(last_words)
        self.transport.close()
        self.watch_flush()

    def watch_flush(self) -> None:
        """What it does not read keeps a closing socket open; the hub's tick aborts it in time."""
        if self.transport.get_write_buffer_size():
            self.paused_at = self.paused_at or time.monotonic()
            self.hub.paused.add(self)

    def abort(self, reason: str) -> None:
        """Called inside the fan-out too, so nothing is taken out of the hub before `connection_lost`."""
        if self.transport is not None:
            if self.ended is None:
                self.end(reason)
            self.transport.abort()

    def end(self, reason: str) -> None:
        self.ended = reason
        self.is_live = False
        self.write_by(nothing)
        STREAMS_CLOSED.labels(reason).inc()


def nothing(data: bytes) -> None:
    """What a connection that is not live does with an event."""
