"""The only way out: a name is resolved once, every address of the answer is checked, and the connection is made to those and no others."""

import asyncio
import os
import socket
import ssl
import time

from aiohappyeyeballs import AddrInfoType, start_connection
from yarl import URL

from tidings.outbound.attempt import Attempt, since
from tidings.outbound.errors import NotConnected, NotResolved, TimedOut, TlsFailed
from tidings.outbound.names import Names
from tidings.outbound.networks import Address, Policy, check_address, literal
from tidings.outbound.wire import Wire

# RFC 8305 §5.
NEXT_ADDRESS_AFTER_S = 0.25
# Of an answer with a thousand addresses, all would be tried: a way to have us knock at a thousand doors.
ADDRESSES_TRIED = 8


class Connector:
    def __init__(self, policy: Policy, names: Names, tls: ssl.SSLContext) -> None:
        self.policy = policy
        self.names = names
        self.tls = tls

    async def connect(self, url: URL, attempt: Attempt) -> Wire:
        """Raises OutboundFailed."""
        attempt.reused = False
        try:
            async with asyncio.timeout(attempt.connect_s):
                return await self.open(url, attempt)
        except TimeoutError:
            raise TimedOut(url.raw_host or "", attempt.connect_s, attempt.phase) from None

    async def open(self, url: URL, attempt: Attempt) -> Wire:
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

    async def speak(self, host: str, connected: socket.socket, is_tls: bool, attempt: Attempt) -> Wire:
        """Raises TlsFailed, and NotConnected where there is no TLS to fail."""
        if is_tls:
            attempt.phase = "tls"
        started = time.perf_counter()
        try:
            # Without a context for https nothing would be encrypted, so the name and the context go together.
            _, wire = await asyncio.get_running_loop().create_connection(
                lambda: Wire(host), sock=connected, ssl=self.tls if is_tls else None, server_hostname=host if is_tls else None
            )
        except BaseException as error:
            connected.close()
            if not isinstance(error, OSError | RuntimeError):
                raise
            if not is_tls:
                raise not_connected(host, error) from None
            raise TlsFailed(f"{host}: {why_no_tls(error)}.") from None
        finally:
            if is_tls:
                attempt.tls_ms = since(started)
        return wire


async def reach(host: str, infos: list[AddrInfoType], attempt: Attempt) -> socket.socket:
    """A connection to the first address that takes one, the next being tried a quarter of a second later. Raises NotConnected."""
    attempt.phase = "connect"
    started = time.perf_counter()
    try:
        return await start_connection(infos, happy_eyeballs_delay=NEXT_ADDRESS_AFTER_S)
    except (OSError, RuntimeError) as error:  # RuntimeError is uvloop's
        raise not_connected(host, error) from None
    finally:
        attempt.connect_ms = since(started)


def as_info(address: Address, port: int) -> AddrInfoType:
    """As getaddrinfo writes it."""
    if address.version == 4:
        return (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (str(address), port))
    return (socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (str(address), port, 0, 0))


def not_connected(host: str, error: Exception) -> NotConnected:
    return NotConnected(f"{host} took no connection: {why_not_connected(error)}.")


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
