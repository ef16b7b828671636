"""The one client through which everything leaves: webhooks, chat, SMS, push, analytics.

A request ends within its time, keeps a bounded part of the answer, and reaches no address that the deployment does not allow. A redirect
is an answer like others. No proxy, no cookies, no netrc. Certificates are always verified, against the system's authorities or those of
SSL_CERT_FILE.
"""

import math
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import lru_cache

import msgspec
from aiohttp import (
    ClientConnectionError,
    ClientError,
    ClientPayloadError,
    ClientResponse,
    ClientResponseError,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
)
from yarl import URL

from tidings.outbound.attempt import CURRENT, Attempt
from tidings.outbound.connector import CheckingConnector
from tidings.outbound.errors import BrokenAnswer, HeadTooLarge, OutboundFailed, TimedOut
from tidings.outbound.headers import check_headers
from tidings.outbound.latency import Latency
from tidings.outbound.names import Names
from tidings.outbound.networks import policy_of
from tidings.outbound.urls import parse
from tidings.settings import Settings

CONNECTIONS = 1000
# A slow destination holds its connections for as long as its requests may take; it must leave some to the others.
CONNECTIONS_PER_HOST = 100
READ_AHEAD_BYTES = 16 * 1024
# What aiohttp says of a line or a number of headers beyond its own bounds.
TOO_LARGE = ("Got more than", "Too many headers")
# RFC 9110 §9.2.2.
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})


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
    def __init__(self, session: ClientSession, connector: CheckingConnector) -> None:
        self.session = session
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

        timeout_s: for everything, with waiting for a connection and reading the answer.   connect_s: of it, name, connection and handshake.
        repeatable: whether it may reach the receiver twice; by default what HTTP calls idempotent. Such a request is sent once more when a
        connection that was there before ends without one byte of an answer: most likely the server had closed it for being idle.
        """
        destination = parse(url)
        check_headers(headers or {})
        if repeatable is None:
            repeatable = method in IDEMPOTENT
        attempt = Attempt(timeout_s, connect_s)
        token = CURRENT.set(attempt)
        try:
            try:
                return await self.exchange(attempt, method, destination, headers, body, keep_bytes)
            except (ClientConnectionError, ConnectionError):
                if not (repeatable and attempt.reused and attempt.is_unheard):
                    raise
            attempt.begin_again()
            return await self.exchange(attempt, method, destination, headers, body, keep_bytes)
        except (OutboundFailed, TimeoutError, ClientError, ConnectionError) as error:
            # Without the cause: aiohttp's own texts show URLs with their query.
            raise as_failure(error, destination, attempt) from None
        finally:
            CURRENT.reset(token)

    async def exchange(
        self, attempt: Attempt, method: str, url: URL, headers: Mapping[str, str] | None, body: bytes | None, keep_bytes: int
    ) -> Answer:
        left = within(attempt.left_s)
        response = await self.session.request(method, url, headers=headers, data=body, allow_redirects=False, timeout=left)
        try:
            attempt.status = response.status
            attempt.phase = "body"
            kept, truncated = await read_beginning(response, keep_bytes)
            return Answer(
                status=response.status,
                headers=joined(response.raw_headers),
                body=kept,
                truncated=truncated,
                reused=attempt.reused,
                latency=attempt.latency(),
            )
        finally:
            # Closes the connection when the answer was not read to its end.
            response.release()


@asynccontextmanager
async def open_outbound(settings: Settings, names: Names | None = None) -> AsyncIterator[Outbound]:
    """One for a process. names: who resolves them."""
    names = names or Names()
    # Made here and not taken from aiohttp, which reads SSL_CERT_FILE when it is imported.
    tls = ssl.create_default_context()
    tls.set_alpn_protocols(["http/1.1"])
    connector = CheckingConnector(policy_of(settings), names, tls, limit=CONNECTIONS, limit_per_host=CONNECTIONS_PER_HOST)
    session = ClientSession(
        connector=connector,
        cookie_jar=DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        read_bufsize=READ_AHEAD_BYTES,
        headers={"User-Agent": "Tidings", "Accept-Encoding": "identity"},
        skip_auto_headers=("Content-Type",),
    )
    # aiohttp sends GET and the like again on connections that were new, too. A private name, held by a test.
    session._retry_connection = False
    try:
        async with session:
            yield Outbound(session, connector)
    finally:
        names.close()


@lru_cache(maxsize=64)
def within(seconds: float) -> ClientTimeout:
    """By aiohttp's own timer, since asyncio.timeout took 26 of a request's 250 µs. To the millisecond; it would round up to seconds."""
    return ClientTimeout(total=seconds, ceil_threshold=math.inf)


async def read_beginning(response: ClientResponse, keep_bytes: int) -> tuple[bytes, bool]:
    """At most so many bytes, and whether there are more; the connection of an answer that has more is closed when it is released."""
    kept = b""
    content = response.content
    while len(kept) <= keep_bytes:
        if content.at_eof():
            return kept, False
        kept += await content.readany()
    return kept[:keep_bytes], True


def joined(raw: tuple[tuple[bytes, bytes], ...]) -> dict[str, str]:
    """As Latin-1, which every byte is part of: what is stored must be text (RFC 9110 §5.5)."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in raw:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def as_failure(error: Exception, url: URL, attempt: Attempt) -> OutboundFailed:
    failure = error if isinstance(error, OutboundFailed) else translated(error, url.raw_host or "", attempt)
    failure.latency = attempt.latency()
    failure.status_seen = attempt.status
    failure.may_have_arrived = attempt.ready_at is not None
    return failure


def translated(error: Exception, host: str, attempt: Attempt) -> OutboundFailed:
    match error:
        case TimeoutError():
            return TimedOut(host, attempt.timeout_s, attempt.phase)
        case ClientResponseError() if error.message.startswith(TOO_LARGE):
            return HeadTooLarge(f"{host} answered with headers that are too large.")
        case ClientResponseError():
            return BrokenAnswer(f"{host} answered with what is no HTTP.")
        case ClientPayloadError():
            return BrokenAnswer(f"{host} broke off its answer.")
    return BrokenAnswer(f"{host} ended the connection without an answer.")
