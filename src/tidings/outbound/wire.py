"""HTTP/1.1 over one connection, one request after another (RFC 9112).

Own code over llhttp's parser (httptools): aiohttp's client took 200 of the 390 µs that a worker spent on a delivery, this takes a third
of it, and everything that an answer may do to us is bounded in one place.
"""

import asyncio
import time
from typing import Any, cast

import httptools
import msgspec

from tidings.outbound.attempt import Attempt
from tidings.outbound.errors import BrokenAnswer, HeadTooLarge, OutboundFailed

# Bytes of an answer that are no body: status line, headers, informational answers, trailers, the frames of chunks.
LARGEST_HEAD = 64 * 1024
# What the parser takes beside them, 0.9 and 2.0, is never an answer to our request.
VERSIONS = frozenset({"1.0", "1.1"})
# What is made of headers takes longer for each that has the name of another.
MOST_HEADERS = 200
# A chunk of one byte comes with five of frame; beyond this the frames carry something else.
FRAMES_PER_BYTE = 8


class Received(msgspec.Struct):
    """headers: as they came.   body: its beginning.   truncated: whether there was more of it."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    truncated: bool


class Wire(asyncio.Protocol):
    """host: for sentences.   idle_since: by time.monotonic, while it waits for its next request."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.idle_since = 0.0
        self.transport: asyncio.Transport | None = None
        self.answer: asyncio.Future[Received] | None = None
        self.parser: Any = None

    # For whoever has a request

    @property
    def is_usable(self) -> bool:
        return self.transport is not None and not self.transport.is_closing()

    async def exchange(self, request: bytes, attempt: Attempt, keep_bytes: int, has_body: bool = True) -> Received:
        """Send it, and wait for the answer. The connection is closed unless all of it was read and the server keeps it too.

        has_body: False for HEAD.   Raises OutboundFailed, and TimeoutError when the attempt's time is over.
        """
        if self.transport is None:
            # It was lost between its making and this.
            raise BrokenAnswer(f"{self.host} ended the connection without an answer.")
        loop = asyncio.get_running_loop()
        self.attempt, self.keep_bytes, self.has_body = attempt, keep_bytes, has_body
        answer: asyncio.Future[Received] = loop.create_future()
        self.answer = answer
        self.parser = httptools.HttpResponseParser(self)
        self.seen = self.body_length = 0
        self.begin_message()
        timer = loop.call_later(attempt.left_s(), self.fail, TimeoutError())
        try:
            self.transport.write(request)
            return await answer
        except BaseException:
            # Also of one who gives up just as the answer comes: nobody else has this connection.
            self.abort()
            raise
        finally:
            timer.cancel()
            self.answer = self.parser = None

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    # The connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's are no subclass of it.
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self.answer is None or self.answer.done():
            # Nobody asked for it; it would be taken for the answer to the next request.
            self.abort()
            return
        if self.attempt.first_byte_at is None:
            self.attempt.first_byte_at = time.perf_counter()
        self.seen += len(data)
        # An answer ends with the last byte that came. What follows it is nobody's, and its end would be taken for the next answer.
        self.feed(memoryview(data)[:-1])
        if self.answer.done():
            self.abort()
        else:
            self.feed(data[-1:])
        if self.seen - self.body_length > LARGEST_HEAD + FRAMES_PER_BYTE * self.body_length:
            self.fail(HeadTooLarge(f"The headers of the answer went beyond {LARGEST_HEAD // 1024} KiB."))

    def feed(self, data: bytes | memoryview) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # Which we never ask for.
            self.abort()
        except httptools.HttpParserError:
            self.fail_as_no_http()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.answer is not None and not self.answer.done():
            self.end(is_clean=exc is None)
        self.transport = None

    def end(self, is_clean: bool) -> None:
        """It ended under an answer, which is how some answers end."""
        if not self.is_headed:
            self.fail(BrokenAnswer(f"{self.host} ended the connection without an answer."))
        elif self.is_until_end and is_clean:
            self.finish(keep=False)
        else:
            self.fail(BrokenAnswer(f"{self.host} broke off its answer."))

    # The parser

    def begin_message(self) -> None:
        self.is_headed = False
        self.headers: list[tuple[bytes, bytes]] = []
        self.kept: list[bytes] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.is_headed:
            return
        self.headers.append((name, value))
        if len(self.headers) > MOST_HEADERS:
            self.fail(HeadTooLarge(f"The answer has more than {MOST_HEADERS} headers."))

    def on_headers_complete(self) -> None:
        if self.answer is None or self.answer.done():
            return
        if self.parser.get_http_version() not in VERSIONS:
            self.fail_as_no_http()
            return
        status = self.parser.get_status_code()
        if is_informational(status):
            return
        self.is_headed = True
        self.attempt.status = status
        self.attempt.phase = "body"
        self.is_until_end = not is_delimited(self.headers)
        self.keeps = status != 101 and self.parser.should_keep_alive()
        if not self.has_body:
            self.finish(keep=False)

    def on_body(self, data: bytes) -> None:
        self.body_length += len(data)
        self.kept.append(data)
        if self.body_length > self.keep_bytes:
            self.finish(keep=False)

    def on_message_complete(self) -> None:
        if self.is_headed:
            self.finish(keep=self.keeps)
        else:
            self.begin_message()

    # What becomes of it

    def finish(self, keep: bool) -> None:
        assert self.transport is not None
        if self.answer is None or self.answer.done():
            return
        body = b"".join(self.kept)
        status = self.attempt.status or self.parser.get_status_code()
        self.answer.set_result(Received(status, self.headers, body[: self.keep_bytes], len(body) > self.keep_bytes))
        # An answer that came before the request was sent leaves the rest of it on its way.
        if not keep or self.transport.get_write_buffer_size():
            self.transport.abort()

    def fail_as_no_http(self) -> None:
        self.fail(BrokenAnswer(f"{self.host} answered with what is no HTTP/1.1."))

    def fail(self, error: OutboundFailed | TimeoutError) -> None:
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(error)
        self.abort()


def is_informational(status: int) -> bool:
    """It is followed by another (RFC 9110 §15.2), except where it changes the protocol."""
    return 100 <= status < 200 and status != 101


def is_delimited(headers: list[tuple[bytes, bytes]]) -> bool:
    """Whether the answer says where its body ends; otherwise that is the connection's end (RFC 9112 §6.3)."""
    return any(
        name.lower() == b"content-length" or (name.lower() == b"transfer-encoding" and b"chunked" in value.lower())
        for name, value in headers
    )
