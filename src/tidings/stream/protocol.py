"""uvicorn's HTTP protocol, plus two things it lacks: a socket that leaves, and deadlines for what a client sends.

The stream route signs in, checks limits and sends the response head through the framework, so that middleware applies. Then it calls
`scope["extensions"]["tidings.detach"]`, and the transport belongs to a small protocol of ours: uvicorn forgets the connection, and its
parser, cycle and scope are freed (12.5 → 1.7 KiB an idle stream). It rests on uvicorn's internals, which are pinned and held by a
contract test (`tests/stream/test_uvicorn_contract.py`).
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

EXTENSION = "tidings.detach"
HEAD_DEADLINE_S = 15.0
# A body has at most 1 MiB: 17 KiB/s.
BODY_DEADLINE_S = 60.0


class Detach:
    """In the scope of each request."""

    __slots__ = ("cycle", "protocol")

    def __init__(self, protocol: "StreamingProtocol", cycle: RequestResponseCycle) -> None:
        self.protocol: StreamingProtocol | None = protocol
        self.cycle: RequestResponseCycle | None = cycle

    def prepare(self) -> None:
        """Before the head is sent: an event stream ends with its connection, so it needs no chunks."""
        if self.cycle is not None:
            self.cycle.chunked_encoding = False

    def __call__(self, successor: Any) -> bool:
        """After the head was sent: hand the socket over. False when the client has gone already."""
        protocol, cycle = self.protocol, self.cycle
        self.protocol = self.cycle = None
        if protocol is None or cycle is None or cycle.disconnected:
            return False
        if protocol.transport.is_closing():
            cycle.response_complete = True  # nobody is there to complete it for, and that is no error
            return False
        protocol.hand_over(cycle, successor)
        return True


class StreamingProtocol(HttpToolsProtocol):
    """awaiting, uploading: connections whose next request head, or body, is not complete, and since when; in the order of time."""

    awaiting: dict["StreamingProtocol", float] = {}  # noqa: RUF012, shared by the connections of a process on purpose
    uploading: dict["StreamingProtocol", float] = {}  # noqa: RUF012

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.awaiting[self] = self.loop.time()

    def connection_lost(self, exc: Exception | None) -> None:
        self.forget_deadlines()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.awaiting.setdefault(self, self.loop.time())
        super().data_received(data)

    def on_headers_complete(self) -> None:
        self.awaiting.pop(self, None)
        self.uploading[self] = self.loop.time()
        super().on_headers_complete()
        self.scope["extensions"] = {EXTENSION: Detach(self, self.cycle)}  # type: ignore[dict-item]

    def on_message_complete(self) -> None:
        self.uploading.pop(self, None)
        super().on_message_complete()

    def forget_deadlines(self) -> None:
        self.awaiting.pop(self, None)
        self.uploading.pop(self, None)

    def hand_over(self, cycle: RequestResponseCycle, successor: Any) -> None:
        transport = self.transport
        is_paused = self.flow.write_paused
        self.connections.discard(self)
        self.forget_deadlines()
        self._unset_keepalive_if_required()
        # The response is complete as far as uvicorn is concerned, and nobody is to be told.
        cycle.response_complete = True
        cycle.on_response = nothing_more
        cycle.message_event.set()
        self.server_state.total_requests += 1
        # A request that was sent behind this one gets no answer: the response says `connection: close`.
        self.pipeline.clear()
        self.flow.resume_reading()
        self.parser = self.cycle = self.scope = self.headers = None  # type: ignore[assignment]
        transport.set_protocol(successor)
        successor.connection_made(transport)
        if is_paused:
            successor.pause_writing()

    @classmethod
    def close_overdue(cls, now: float) -> None:
        """Close those that take too long over a request (slowloris); costs what is overdue, not what is open."""
        for slow, deadline_s in ((cls.awaiting, HEAD_DEADLINE_S), (cls.uploading, BODY_DEADLINE_S)):
            while slow:
                protocol, since = next(iter(slow.items()))
                if now - since < deadline_s:
                    break
                del slow[protocol]
                protocol.transport.abort()


def nothing_more() -> None:
    pass
