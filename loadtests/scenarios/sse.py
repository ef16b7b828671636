"""An event stream over a plain socket: what is sent and when an event is done with is all here. Blocking; gevent makes it wait politely."""

import contextlib
import socket
import ssl
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

OPENS_WITHIN_S = 15.0
# Heartbeats come each 15 s; a stream that is silent for longer is dead.
SILENCE_S = 30.0
READ_BYTES = 65536


class Event(NamedTuple):
    """id: the cursor; None where the event carries none."""

    name: str
    id: str | None
    data: bytes


class Refused(Exception):
    """The stream was not opened. status: 0 for an answer that is none.   retry_after_s: as asked for."""

    def __init__(self, status: int, retry_after_s: float = 0.0) -> None:
        super().__init__(f"the stream was answered with {status}")
        self.status = status
        self.retry_after_s = retry_after_s


class Stream:
    """An open stream of a subscriber. Raises Refused, OSError."""

    def __init__(self, base: str, token: str, cursor: str | None) -> None:
        place = urlsplit(base)
        self.socket = connected(place.hostname or "", place.port or (443 if place.scheme == "https" else 80), place.scheme == "https")
        self.rest = b""
        try:
            self.open(place.netloc, place.path.rstrip("/"), token, cursor)
        except BaseException:
            self.close()
            raise

    def open(self, host: str, path: str, token: str, cursor: str | None) -> None:
        lines = [f"GET {path}/v1/stream HTTP/1.1", f"Host: {host}", f"Authorization: Bearer {token}", "Accept: text/event-stream"]
        if cursor is not None:
            lines.append(f"Last-Event-ID: {cursor}")
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        while b"\r\n\r\n" not in self.rest:
            self.rest += self.more()
        head, _, self.rest = self.rest.partition(b"\r\n\r\n")
        status, headers = understood(head)
        if status != 200:
            raise Refused(status, float(headers.get("retry-after", 0)))
        # Proxies may cut a stream into chunks; Tidings itself does not.
        self.is_chunked = "chunked" in headers.get("transfer-encoding", "")
        self.chunks = self.rest
        if self.is_chunked:
            self.rest = b""
        self.socket.settimeout(SILENCE_S)

    def events(self) -> Iterator[Event]:
        """Whole events: one counts only with the blank line that ends it. Raises OSError when the connection ends."""
        if self.is_chunked and self.chunks:
            self.rest = self.unchunked(b"")
        while True:
            *blocks, self.rest = self.rest.split(b"\n\n")
            for block in blocks:
                if (event := event_of(block)) is not None:
                    yield event
            self.rest += self.unchunked(self.more()) if self.is_chunked else self.more()

    def unchunked(self, data: bytes) -> bytes:
        """What whole chunks hold; what is left of the last one waits in `chunks`."""
        self.chunks += data
        found = []
        while (end := self.chunks.find(b"\r\n")) >= 0:
            size = int(self.chunks[:end].partition(b";")[0], 16)
            if size == 0:
                raise ConnectionResetError("the stream ended")
            if len(self.chunks) < end + 2 + size + 2:
                break
            found.append(self.chunks[end + 2 : end + 2 + size])
            self.chunks = self.chunks[end + 2 + size + 2 :]
        return b"".join(found)

    def more(self) -> bytes:
        data: bytes = self.socket.recv(READ_BYTES)
        if not data:
            raise ConnectionResetError("the stream ended")
        return data

    def cut(self) -> None:
        """End it from another greenlet: whoever reads gets OSError."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.socket.close()


def connected(host: str, port: int, is_safe: bool) -> socket.socket:
    plain = socket.create_connection((host, port), timeout=OPENS_WITHIN_S)
    return ssl.create_default_context().wrap_socket(plain, server_hostname=host) if is_safe else plain


def understood(head: bytes) -> tuple[int, dict[str, str]]:
    """Status, and headers by their lower-case names."""
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ", 2)
    status = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
    pairs = (line.partition(":") for line in lines)
    return status, {name.strip().lower(): value.strip() for name, _, value in pairs}


def event_of(block: bytes) -> Event | None:
    """None for a comment or a lone retry."""
    name, identity, data = b"message", None, None
    for line in block.split(b"\n"):
        field, _, value = line.partition(b": ")
        if field == b"event":
            name = value
        elif field == b"id":
            identity = value
        elif field == b"data":
            data = value
    return None if data is None else Event(name.decode(), identity.decode() if identity is not None else None, data)
