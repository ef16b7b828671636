"""The version of HTTP, and the certificate."""

import math
from urllib.parse import urlsplit

from tidings.cli.doctor.judge.verdict import Verdict, fine, flaw
from tidings.cli.doctor.measured import Certificate
from tidings.cli.doctor.report import Finding, Unchecked

SIX = "six connections to a host at most, for all tabs together, and each stream takes one"
HIDDEN = "It could not be seen: /health/live is not passed on, or without its Timing-Allow-Origin."


def judge_protocol(url: str, protocol: str | None) -> Verdict:
    if protocol is None:
        return Unchecked("protocol", HIDDEN)
    if protocol.startswith(("h2", "h3")):
        return fine("protocol", "Tabs share one connection", f"Browsers speak {protocol}.")
    if urlsplit(url).scheme == "https":
        return old_http(protocol)
    return without_tls_here(protocol) if is_of_this_machine(url) else without_tls()


def old_http(protocol: str) -> Finding:
    return flaw(
        "protocol",
        "warning",
        "HTTP/1.1, where HTTP/2 is possible",
        f"Browsers speak {protocol}: {SIX}.",
        "nginx: `http2 on;` (before 1.25.1 `listen 443 ssl http2;`). HAProxy: `alpn h2,http/1.1` after `bind … ssl`. `tidings api` itself "
        "speaks HTTP/1.1 only. Without HTTP/2, let tabs share one stream, as @tidings/client does unless `share` is false.",
    )


def without_tls_here(protocol: str) -> Finding:
    return fine("protocol", "No TLS, on this machine", f"Browsers speak {protocol} here: {SIX}. That will do to try things out.")


def without_tls() -> Finding:
    return flaw(
        "protocol",
        "warning",
        "No TLS",
        f"Tokens can be read on the way. Without TLS browsers speak no HTTP/2: {SIX}.",
        "Put a proxy in front that speaks TLS and HTTP/2 (docs/proxies).",
    )


def is_of_this_machine(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host in ("localhost", "::1") or host.endswith(".localhost") or host.startswith("127.")


def judge_certificate(certificate: Certificate | None) -> list[Verdict]:
    """In time: two weeks before, or with a quarter of its life left where that is short."""
    if certificate is None:
        return []
    found = f"It holds for {math.floor(certificate.days_left)} more days."
    if certificate.days_left >= min(14, certificate.days_in_all / 4):
        return [fine("certificate", "The certificate is valid", found)]
    return [flaw("certificate", "warning", "The certificate ends soon", found, RENEW)]


RENEW = (
    "Renew it, and see why it was not renewed by itself (certbot, acme.sh, the load balancer). `tidings api` with TIDINGS_TLS_CERTIFICATE "
    "reads a new one when it starts."
)
