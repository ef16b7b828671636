"""uvicorn's HTTP protocol, plus what it lacks: a socket that leaves, deadlines and a bound for heads, and ignoring offers to upgrade.

The stream route signs in, checks limits and sends the response head through the framework, so that middleware applies. Then it calls
`scope["extensions"]["tidings.detach"]`, and the transport belongs to a small protocol of ours: uvicorn forgets the connection, and its
parser, cycle and scope are freed (12.5 → 1.7 KiB an idle stream). It rests on uvicorn's internals, which are pinned and held by a
contract test (`tests/stream/test_uvicorn_contract.py`).
"""

import asyncio
import re
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.utils import is_ssl

EXTENSION = "tidings.detach"
HEAD_DEADLINE_S = 15.0
# A body has at most 1 MiB: 17 KiB/s.
BODY_DEADLINE_S = 60.0
# Of a head, or of what stands between two pieces of a body; the parser itself would take any amount. One read (256 KiB) may come on top.
MOST_UNPARSED = 64 * 1024
TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
# uvloop lets 512 KiB wait in a TLS transport before it says so, and 64 KiB in any other.
TLS_HIGH_WATER = 64 * 1024
OFFER = re.compile(rb"\nupgrade:", re.IGNORECASE)


class Held:
    """Stands before a transport and keeps what is written, to go out together with what comes next."""

    __slots__ = ("data", "transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.data = b""

    def write(self, data: bytes) -> None:
        self.data += data

    def is_closing(self) -> bool:
        return self.transport.is_closing()

    def close(self) -> None:
        self.transport.close()


class Detach:
    """In the scope of each request."""

    __slots__ = ("cycle", "protocol")

    def __init__(self, protocol: "StreamingProtocol", cycle: RequestResponseCycle) -> None:
        self.protocol: StreamingProtocol | None = protocol
        self.cycle: RequestResponseCycle | None = cycle

    def prepare(self) -> None:
        """Before the head is sent: an event stream ends with its connection, so it needs no chunks. The head is held back."""
        if self.cycle is not None:
            self.cycle.chunked_encoding = False
            self.cycle.transport = Held(self.cycle.transport)  # type: ignore[assignment]

    def __call__(self, successor: Any) -> bytes | None:
        """After the head was sent: hand the socket over. Answers the head, for the successor to write; None when the client has gone."""
        protocol, cycle = self.protocol, self.cycle
        self.protocol = self.cycle = None
        if protocol is None or cycle is None or cycle.disconnected:
            return None
        if protocol.transport.is_closing():
            cycle.response_complete = True  # nobody is there to complete it for, and that is no error
            return None
        protocol.hand_over(cycle, successor)
        return cycle.transport.data  # type: ignore[attr-defined, no-any-return]


class StreamingProtocol(HttpToolsProtocol):
    """awaiting, uploading: connections whose next request head, or body, is not complete, and since when; in the order of time.

    unparsed: bytes received since the parser last made something of them.
    """

    awaiting: dict["StreamingProtocol", float] = {}  # noqa: RUF012, shared by the connections of a process on purpose
    uploading: dict["StreamingProtocol", float] = {}  # noqa: RUF012

    unparsed = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """As uvicorn's, without asking the socket for both its names: nothing here needs them, and it took 7 system calls."""
        self.connections.add(self)
        self.transport = transport
        self.flow = FlowControl(transport)
        self.server = (self.config.host, self.config.port)
        self.scheme = "https" if is_ssl(transport) else "http"
        if self.scheme == "https":
            transport.set_write_buffer_limits(TLS_HIGH_WATER)
        self.awaiting[self] = self.loop.time()

    def connection_lost(self, exc: Exception | None) -> None:
        self.forget_deadlines()
        # uvicorn leaves the timer running when the client resets: 75 s in which its protocol, parser and scope stay.
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.awaiting.setdefault(self, self.loop.time())
            data = without_offer(data)
        self.unparsed += len(data)
        super().data_received(data)
        if self.unparsed > MOST_UNPARSED:
            self.refuse_size()

    def on_headers_complete(self) -> None:
        self.unparsed = 0
        self.awaiting.pop(self, None)
        self.uploading[self] = self.loop.time()
        super().on_headers_complete()
        self.scope["extensions"] = {EXTENSION: Detach(self, self.cycle)}  # type: ignore[dict-item]

    def on_body(self, body: bytes) -> None:
        self.unparsed = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self.unparsed = 0
        self.uploading.pop(self, None)
        super().on_message_complete()

    def refuse_size(self) -> None:
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(TOO_LARGE)
            self.transport.close()
        else:
            self.transport.abort()

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


def without_offer(data: bytes) -> bytes:
    """A head without its offer to upgrade, which may be ignored (RFC 9110 §7.8).

    The parser takes what follows an offer for another protocol's, so a body would be lost: Java's client offers h2c with its first POST.
    """
    if b"\nupgrade:" not in data.lower():
        return data
    head, end, rest = data.partition(b"\r\n\r\n")
    return OFFER.sub(b"\nx-upgrade:", head) + end + rest


def nothing_more() -> None:
    pass
