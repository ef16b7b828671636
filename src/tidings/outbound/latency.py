"""Where the time of a request went."""

import msgspec


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds. A step that was not taken is None: all three of the first on a reused connection, `dns_ms` for an address, `tls_ms`
    for http; and what came after the step that failed.

    connect_ms: the TCP connection, over all addresses that were tried.   tls_ms: the handshake with the check of the certificate.
    first_byte_ms: from the connection being ready to the first byte of the answer, so with the sending of the request.
    total_ms: from the call, with waiting for a free connection, to the last byte that was read, or to the failure.
    """

    dns_ms: float | None = None
    connect_ms: float | None = None
    tls_ms: float | None = None
    first_byte_ms: float | None = None
    total_ms: float
