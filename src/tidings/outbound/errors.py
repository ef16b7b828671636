"""Why an outbound request failed. Each sentence may be stored and shown: it names the host, never the path, the query or a header.

OutboundFailed
├── Blocked       what we do not send, or not there: trying again changes nothing until the URL or a setting does
├── NotResolved   the name has no address just now
├── NotConnected  no address of it took the connection
├── TlsFailed     no TLS, or a certificate that does not prove the host
├── TimedOut      says in which phase
├── HeadTooLarge  the answer's status line and headers went beyond their bound
└── BrokenAnswer  the connection ended before the answer did, or what came is no HTTP
"""

from typing import Literal

from tidings.errors import TidingsError
from tidings.outbound.latency import Latency

Phase = Literal["queue", "dns", "connect", "tls", "answer", "body"]

IN_PHASE: dict[Phase, str] = {
    "queue": "while all our connections were in use",
    "dns": "while its name was looked up",
    "connect": "while the connection was made",
    "tls": "in the TLS handshake",
    "answer": "until its answer began",
    "body": "until its answer was whole",
}


class OutboundFailed(TidingsError):
    """latency: what it took until then.   status_seen: the answer's status, where its headers had come before it failed.

    may_have_arrived: whether bytes of the request were on their way. Where it is False, sending elsewhere repeats nothing.
    """

    code, title = "outbound-failed", "A request of ours to another server failed"

    latency: Latency | None = None
    status_seen: int | None = None
    may_have_arrived: bool = False


class Blocked(OutboundFailed):
    """reason: the detail without the host. A route that takes a URL turns this into an Invalid that names the field.

    address: the first that was refused, where the host is a name. For our own log only: told to whoever chose the URL, it would let them
    read the names of the network that we stand in.
    """

    def __init__(self, detail: str, reason: str, address: str | None = None) -> None:
        super().__init__(detail)
        self.reason = reason
        self.address = address


class NotResolved(OutboundFailed):
    pass


class NotConnected(OutboundFailed):
    pass


class TlsFailed(OutboundFailed):
    pass


class TimedOut(OutboundFailed):
    def __init__(self, host: str, seconds: float, phase: Phase) -> None:
        super().__init__(f"{host} took longer than {seconds:g} s, {IN_PHASE[phase]}.")
        self.phase = phase


class HeadTooLarge(OutboundFailed):
    pass


class BrokenAnswer(OutboundFailed):
    pass
