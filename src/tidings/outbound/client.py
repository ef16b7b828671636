"""The one client through which everything leaves: webhooks, chat, SMS, push, analytics.

A request ends within its time, keeps a bounded part of the answer, and reaches no address that the deployment does not allow. A redirect
is an answer like others. No proxy, no cookies, no netrc. Certificates are always verified, against the system's authorities or those of
SSL_CERT_FILE.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import lru_cache

import msgspec
from yarl import URL

from tidings.outbound.attempt import Attempt
from tidings.outbound.connector import Connector
from tidings.outbound.errors import BrokenAnswer, OutboundFailed, TimedOut
from tidings.outbound.headers import check_headers
from tidings.outbound.latency import Latency
from tidings.outbound.names import Names
from tidings.outbound.networks import policy_of
from tidings.outbound.pool import CONNECTIONS, Place, Pool
from tidings.outbound.urls import parse
from tidings.outbound.wire import Received, Wire
from tidings.settings import Settings

# RFC 9110 §9.2.2.
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})
# What a request says unless its caller says otherwise.
USUAL = {"user-agent": "Tidings", "accept": "*/*", "accept-encoding": "identity"}


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """headers: by lower-case name; what came more than once is joined by a comma (RFC 9110 §5.3).   body: its beginning, not decompressed.
    truncated: whether there was more of it.   reused: whether the connection was there before.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    truncated: bool
    reused: bool
    latency: Latency


class Outbound:
    def __init__(self, connector: Connector, pool: Pool) -> None:
        self.connector = connector
        self.pool = pool
        self.policy = connector.policy

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout_s: float = 15.0,
        connect_s: float = 5.0,
        keep_bytes: int = 16 * 1024,
        repeatable: bool | None = None,
    ) -> Answer:
        """Raises OutboundFailed, of which errors.py has the kinds.

        timeout_s: for everything, with reading the answer.   connect_s: of it, name, connection and handshake. Where all connections are in
        use, the wait for one is none of it, and may last as long again.
        repeatable: whether it may reach the receiver twice; by default what HTTP calls idempotent. Such a request is sent once more when a
        connection that was there before ends without one byte of an answer: most likely the server had closed it for being idle.
        """
        destination = parse(url)
        check_headers(headers or {})
        request = request_of(method, url, headers or {}, body)
        if repeatable is None:
            repeatable = method in IDEMPOTENT
        attempt = Attempt(timeout_s, connect_s)
        try:
            received = await self.exchange(attempt, method, destination, request, keep_bytes, repeatable)
        except (OutboundFailed, TimeoutError) as error:
            raise as_failure(error, destination, attempt) from None
        return Answer(
            status=received.status,
            headers=joined(received.headers),
            body=received.body,
            truncated=received.truncated,
            reused=attempt.reused,
            latency=attempt.latency(),
        )

    async def exchange(self, attempt: Attempt, method: str, url: URL, request: bytes, keep_bytes: int, repeatable: bool) -> Received:
        place = place_of(url)
        if not self.pool.enter_at_once():
            async with asyncio.timeout(attempt.timeout_s):
                await self.pool.enter(place)
            attempt.enter()
        try:
            wire = await self.wire_to(place, url, attempt)
            try:
                return await self.send(wire, place, attempt, method, request, keep_bytes)
            except BrokenAnswer as error:
                if not (repeatable and attempt.reused and attempt.is_unheard):
                    raise
                broken = error
            attempt.begin()
            try:
                wire = await self.connect(url, attempt)
            except (OutboundFailed, TimeoutError):
                # "Took no connection" would say that nothing was sent.
                raise broken from None
            return await self.send(wire, place, attempt, method, request, keep_bytes)
        finally:
            self.pool.leave()

    async def wire_to(self, place: Place, url: URL, attempt: Attempt) -> Wire:
        return self.pool.take(place) or await self.connect(url, attempt)

    async def connect(self, url: URL, attempt: Attempt) -> Wire:
        async with asyncio.timeout(attempt.left_s()):
            return await self.connector.connect(url, attempt)

    async def send(self, wire: Wire, place: Place, attempt: Attempt, method: str, request: bytes, keep_bytes: int) -> Received:
        attempt.take()
        received = await wire.exchange(request, attempt, keep_bytes, has_body=method != "HEAD")
        self.pool.keep(place, wire)
        return received


@asynccontextmanager
async def open_outbound(settings: Settings, names: Names | None = None) -> AsyncIterator[Outbound]:
    """One for a process. names: who resolves them."""
    names = names or Names()
    tls = ssl.create_default_context()
    tls.set_alpn_protocols(["http/1.1"])
    pool = Pool(CONNECTIONS)
    try:
        yield Outbound(Connector(policy_of(settings), names, tls), pool)
    finally:
        pool.close()
        names.close()


def place_of(url: URL) -> Place:
    assert url.raw_host is not None
    assert url.port is not None
    return url.scheme, url.raw_host, url.port


def request_of(method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
    """As it goes over the connection (RFC 9112 §3). The headers were checked."""
    given = {name.lower() for name in headers}
    lines = [beginning(method, url)]
    lines += [f"{name}: {value}\r\n" for name, value in USUAL.items() if name not in given]
    lines += [f"{name}: {value}\r\n" for name, value in headers.items()]
    if body is not None or method not in WITHOUT_BODY:
        lines.append(f"content-length: {len(body or b'')}\r\n")
    return "".join(lines).encode() + b"\r\n" + (body or b"")


@lru_cache(maxsize=4096)
def beginning(method: str, url: str) -> str:
    parsed = parse(url)
    return f"{method} {parsed.raw_path_qs} HTTP/1.1\r\nhost: {parsed.host_port_subcomponent}\r\n"


def joined(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """As Latin-1, which every byte is part of: what is stored must be text (RFC 9110 §5.5)."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in raw:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def as_failure(error: OutboundFailed | TimeoutError, url: URL, attempt: Attempt) -> OutboundFailed:
    failure = error if isinstance(error, OutboundFailed) else TimedOut(url.raw_host or "", attempt.timeout_s, attempt.phase)
    failure.latency = attempt.latency()
    failure.status_seen = attempt.status
    failure.may_have_arrived = attempt.was_sent
    return failure
