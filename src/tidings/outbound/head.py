"""The far end of a connection, as aiohttp reads it, watched until the answer's head is complete: when its first byte came, and how much."""

import time
from typing import Any

from aiohttp.client_proto import ResponseHandler

from tidings.outbound.errors import HeadTooLarge

# aiohttp bounds each line (8,190 bytes) and their number (128), which together is a megabyte, and informational answers (1xx) not at all.
LARGEST = 64 * 1024


class Head:
    """Of one answer. first_byte_at: on the clock of time.perf_counter; None before."""

    __slots__ = ("first_byte_at", "is_complete", "length")

    def __init__(self) -> None:
        self.first_byte_at: float | None = None
        self.is_complete = False
        self.length = 0


class WatchedHandler(ResponseHandler):
    """head: of the answer that is awaited. Replaced by the next one: an answer's last byte may free the connection at once."""

    head: Head | None = None

    def data_received(self, data: bytes) -> None:
        head = self.head
        if head is not None and head.first_byte_at is None and data:
            head.first_byte_at = time.perf_counter()
        super().data_received(data)
        if head is not None and not head.is_complete:
            self.bound(head, len(data))

    def feed_data(self, data: Any, size: int = 0) -> None:
        """aiohttp's parser found the end of a head."""
        if self.head is not None and is_final(data[0].code):
            self.head.is_complete = True
        super().feed_data(data, size)

    def bound(self, head: Head, more: int) -> None:
        head.length += more
        if head.length > LARGEST:
            self.set_exception(HeadTooLarge(f"The headers of the answer went beyond {LARGEST // 1024} KiB."))
            if self.transport is not None:
                self.transport.abort()


def is_final(status: int) -> bool:
    """An informational answer is followed by another (RFC 9110 §15.2), except where it changes the protocol."""
    return status >= 200 or status == 101
