"""The only way out: a name is resolved once, every address of the answer is checked, and the connection is made to those and no others.

aiohttp's own connector would resolve and connect by itself, and skips the resolver for addresses; this one takes only its pool. It rests on
two private names (`_create_connection`, `_factory`): tests/outbound holds them, the lock files the version.
"""

import asyncio
import os
import socket
import ssl
import time
from functools import partial
from typing import Any, cast

from aiohappyeyeballs import AddrInfoType, start_connection
from aiohttp import BaseConnector, ClientRequest, ClientTimeout
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from yarl import URL

from tidings.outbound.attempt import CURRENT, Attempt, since
from tidings.outbound.errors import NotConnected, NotResolved, TimedOut, TlsFailed
from tidings.outbound.head import WatchedHandler
from tidings.outbound.names import Names
from tidings.outbound.networks import Address, Policy, check_address, literal

# Servers close what is idle after 5 s (Node, uvicorn) or more. A request sent into a connection that is just being closed is lost.
KEEP_ALIVE_S = 4.0
# RFC 8305 §5.
NEXT_ADDRESS_AFTER_S = 0.25
# Of an answer with a thousand addresses, all would be tried: a way to have us knock at a thousand doors.
ADDRESSES_TRIED = 8


class CheckingConnector(BaseConnector):
    """limit, limit_per_host: connections at the same time."""

    def __init__(self, policy: Policy, names: Names, tls: ssl.SSLContext, *, limit: int, limit_per_host: int) -> None:
        super().__init__(limit=limit, limit_per_host=limit_per_host, keepalive_timeout=KEEP_ALIVE_S)
        self.policy = policy
        self.names = names
        self.tls = tls
        self._factory = cast("partial[ResponseHandler]", partial(WatchedHandler, loop=self._loop))

    async def connect(self, req: ClientRequest, traces: list[Any], timeout: ClientTimeout) -> Connection:
        connection = await super().connect(req, traces, timeout)
        CURRENT.get().take(cast(WatchedHandler, connection.protocol))
        return connection

    async def _create_connection(self, req: ClientRequest, traces: list[Any], timeout: ClientTimeout) -> ResponseHandler:
        attempt = CURRENT.get()
        attempt.reused = False
        try:
            async with asyncio.timeout(attempt.connect_s):
                return await self.open(req.url, attempt)
        except TimeoutError:
            raise TimedOut(req.url.raw_host or "", attempt.connect_s, attempt.phase) from None

    async def open(self, url: URL, attempt: Attempt) -> ResponseHandler:
        host, port = url.raw_host, url.port
        assert host is not None
        assert port is not None
        addresses = await self.resolve(host, attempt)
        for address in addresses:
            check_address(self.policy, url.scheme, host, address, port)
        connected = await reach(host, [as_info(address, port) for address in addresses[:ADDRESSES_TRIED]], attempt)
        return await self.speak(host, connected, url.scheme == "https", attempt)

    async def resolve(self, host: str, attempt: Attempt) -> list[Address]:
        """At least one address. Raises NotResolved."""
        if address := literal(host):
            return [address]
        attempt.phase = "dns"
        started = time.perf_counter()
        try:
            addresses = await self.names.addresses(host)
        except (OSError, UnicodeError) as error:
            raise NotResolved(f"{host} has no address: {error.strerror if isinstance(error, OSError) else 'no such name'}.") from None
        finally:
            attempt.dns_ms = since(started)
        if not addresses:
            raise NotResolved(f"{host} has no address.")
        return addresses

    async def speak(self, host: str, connected: socket.socket, is_tls: bool, attempt: Attempt) -> ResponseHandler:
        """Raises TlsFailed."""
        if is_tls:
            attempt.phase = "tls"
        started = time.perf_counter()
        try:
            # Without a context for https nothing would be encrypted, so the name and the context go together.
            _, handler = await self._loop.create_connection(
                self._factory, sock=connected, ssl=self.tls if is_tls else None, server_hostname=host if is_tls else None
            )
        except BaseException as error:
            connected.close()
            if isinstance(error, OSError | RuntimeError):
                raise TlsFailed(f"{host}: {why_no_tls(error)}.") from None
            raise
        finally:
            if is_tls:
                attempt.tls_ms = since(started)
        return handler


async def reach(host: str, infos: list[AddrInfoType], attempt: Attempt) -> socket.socket:
    """A connection to the first address that takes one, the next being tried a quarter of a second later. Raises NotConnected."""
    attempt.phase = "connect"
    started = time.perf_counter()
    try:
        return await start_connection(infos, happy_eyeballs_delay=NEXT_ADDRESS_AFTER_S)
    except (OSError, RuntimeError) as error:  # RuntimeError is uvloop's
        raise NotConnected(f"{host} took no connection: {why_not_connected(error)}.") from None
    finally:
        attempt.connect_ms = since(started)


def as_info(address: Address, port: int) -> AddrInfoType:
    """As getaddrinfo writes it."""
    if address.version == 4:
        return (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (str(address), port))
    return (socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (str(address), port, 0, 0))


def why_not_connected(error: Exception) -> str:
    """Without the addresses, which asyncio puts into its text."""
    match error:
        case ConnectionRefusedError():
            return "refused"
        case TimeoutError():
            return "no answer"
        case OSError(errno=int(number)):
            return os.strerror(number).lower()
    return "unreachable"


def why_no_tls(error: Exception) -> str:
    match error:
        case ssl.SSLCertVerificationError():
            return f"the certificate was not accepted ({error.verify_message})"
        case ssl.SSLError():
            return f"the TLS handshake failed ({error.reason or 'no reason given'})"
    return "the connection ended during the TLS handshake"
