"""One request under way: how far it is, and since when."""

import time

from tidings.outbound.errors import Phase
from tidings.outbound.latency import Latency


class Attempt:
    """timeout_s, connect_s: as in `Outbound.request`.

    entered_at: when there was room for it, from which its time counts.   reused: whether the connection was there before.
    ready_at: when it was this request's, on the clock of time.perf_counter, as all of these.
    was_sent: whether a byte of it may have left, in either try.   first_byte_at: of the answer.
    status: of the answer, once its head has come.
    """

    __slots__ = (
        *("timeout_s", "connect_s", "started_at", "entered_at", "phase", "reused", "dns_ms", "connect_ms", "tls_ms"),
        *("ready_at", "was_sent", "first_byte_at", "status"),
    )

    def __init__(self, timeout_s: float, connect_s: float) -> None:
        self.timeout_s = timeout_s
        self.connect_s = connect_s
        self.started_at = self.entered_at = time.perf_counter()
        self.was_sent = False
        self.begin()

    def begin(self) -> None:
        """Also for a second try."""
        self.phase: Phase = "queue"
        self.reused = True
        self.dns_ms: float | None = None
        self.connect_ms: float | None = None
        self.tls_ms: float | None = None
        self.ready_at: float | None = None
        self.first_byte_at: float | None = None
        self.status: int | None = None

    def enter(self) -> None:
        """There is room now, after a wait that was ours and not the receiver's."""
        self.entered_at = time.perf_counter()

    def left_s(self) -> float:
        return max(self.timeout_s - (time.perf_counter() - self.entered_at), 0.0)

    def take(self) -> None:
        """A connection is this request's now."""
        self.ready_at = time.perf_counter()
        self.was_sent = True
        self.phase = "answer"

    @property
    def is_unheard(self) -> bool:
        """Whether no byte of an answer came."""
        return self.first_byte_at is None

    def latency(self) -> Latency:
        first_byte_at, ready_at = self.first_byte_at, self.ready_at
        return Latency(
            dns_ms=self.dns_ms,
            connect_ms=self.connect_ms,
            tls_ms=self.tls_ms,
            first_byte_ms=None if first_byte_at is None or ready_at is None else in_ms(first_byte_at - ready_at),
            total_ms=since(self.started_at),
        )


def since(moment: float) -> float:
    return in_ms(time.perf_counter() - moment)


def in_ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
