"""A connection to a mail server, encrypted and signed in. Its name is resolved once, and what is connected to was checked."""

import asyncio
import socket
import ssl

from aiosmtplib import SMTP, SMTPResponseException

from tidings.deliveries.connectors.email.address import mailbox
from tidings.deliveries.connectors.smtp.config import SmtpConfig, SmtpCredentials
from tidings.deliveries.connectors.smtp.places import check_place
from tidings.outbound.attempt import Attempt
from tidings.outbound.connector import ADDRESSES_TRIED, as_info, reach
from tidings.outbound.errors import NotResolved, TimedOut
from tidings.outbound.names import Names
from tidings.outbound.networks import Address, Policy, literal

CONNECT_S = 10.0
# RFC 5321 §4.5.3.2 would wait five minutes for each; a provider that needs more than this is in trouble, and there are further attempts.
COMMAND_S = 30.0


class NoStartTls(Exception):
    """The server offers none, or somebody between takes the offer away: nothing is sent in the clear."""


async def connect(config: SmtpConfig, credentials: SmtpCredentials, policy: Policy, names: Names, tls: ssl.SSLContext) -> SMTP:
    """Raises OutboundFailed, NoStartTls, SMTPException or OSError."""
    connected = await connection_to(config, policy, names)
    client = SMTP(
        hostname=config.host,
        sock=connected,
        use_tls=config.security == "tls",
        start_tls=False,
        tls_context=tls,
        # By which the server calls us. The name of this machine means nothing outside, and the sender's domain is known to be ours.
        local_hostname=mailbox(config.sender).domain,
        timeout=COMMAND_S,
    )
    try:
        await client.connect()
        await open_session(client, config, credentials)
    except BaseException:
        client.close()
        connected.close()
        raise
    return client


async def connection_to(config: SmtpConfig, policy: Policy, names: Names) -> socket.socket:
    host, port = config.host.lower(), config.port_used
    attempt = Attempt(CONNECT_S, CONNECT_S)
    try:
        async with asyncio.timeout(CONNECT_S):
            addresses = await resolve(host, names)
            for address in addresses:
                check_place(policy, host, address, port, is_encrypted=config.security != "none")
            return await reach(host, [as_info(address, port) for address in addresses[:ADDRESSES_TRIED]], attempt)
    except TimeoutError:
        raise TimedOut(host, CONNECT_S, "connect") from None


async def resolve(host: str, names: Names) -> list[Address]:
    """At least one address. Raises NotResolved."""
    if address := literal(host):
        return [address]
    try:
        addresses = await names.addresses(host)
    except (OSError, UnicodeError):
        addresses = []
    if not addresses:
        raise NotResolved(f"{host} has no address.")
    return addresses


async def open_session(client: SMTP, config: SmtpConfig, credentials: SmtpCredentials) -> None:
    await client.ehlo()
    if config.security == "starttls":
        if not client.supports_extension("starttls"):
            raise NoStartTls
        try:
            await client.starttls()
        except SMTPResponseException:
            raise NoStartTls from None
        # What was offered before counts no more (RFC 3207 §4.2).
        await client.ehlo()
    if credentials.username is not None and credentials.password is not None:
        await client.login(credentials.username, credentials.password)
