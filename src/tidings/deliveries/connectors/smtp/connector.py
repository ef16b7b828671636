"""One attempt of a message over SMTP."""

import asyncio
import ssl
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any
from weakref import WeakValueDictionary

import msgspec
from aiosmtplib import SMTP, SMTPException, SMTPResponse, SMTPServerDisconnected, SMTPTimeoutError

from tidings.deliveries.connectors.connector import Destination, Reach
from tidings.deliveries.connectors.email.outgoing import Outgoing, outgoing
from tidings.deliveries.connectors.smtp.answer import NoAnswer, NoUtf8, delivered, outcome_of
from tidings.deliveries.connectors.smtp.config import SmtpConfig, SmtpCredentials, check_smtp
from tidings.deliveries.connectors.smtp.connecting import NoStartTls, connect
from tidings.deliveries.connectors.smtp.pool import Pool
from tidings.deliveries.ledger.channels import Channel
from tidings.deliveries.ledger.claim import Claimed
from tidings.deliveries.ledger.outcome import Outcome
from tidings.outbound.errors import OutboundFailed
from tidings.outbound.latency import Latency
from tidings.outbound.names import Names
from tidings.outbound.networks import Policy

# Ten attempts over a day and two hours. Servers that put strangers off (greylisting) take them after 5 to 15 minutes.
SCHEDULE = (60, 300, 900, 1800, 3600, 7200, 14_400, 28_800, 36_000)
# What is after the last byte of a message may take longer: the server judges it (RFC 5321 §4.5.3.2.6).
DATA_S = 60.0
# For everything, with waiting for a connection.
ATTEMPT_S = 180.0


class Smtp:
    """names: who resolves the names of mail servers."""

    name = "smtp"
    channel: Channel = "email"
    schedule = SCHEDULE
    # The Message-ID is the same in every attempt.
    repeats = True
    most_together = 1
    config = SmtpConfig
    credentials = SmtpCredentials

    def __init__(self, names: Callable[[], Names] = Names) -> None:
        self.new_names = names
        # By integration and all its settings, so that a change of one is a connection of its own.
        self.pools: WeakValueDictionary[tuple[int, SmtpConfig, SmtpCredentials], Pool] = WeakValueDictionary()

    @cached_property
    def names(self) -> Names:
        return self.new_names()

    @cached_property
    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()

    def check(self, config: Any, credentials: Any, policy: Policy) -> None:
        check_smtp(config, credentials, policy)

    async def send(self, reach: Reach, destination: Destination, deliveries: Sequence[Claimed]) -> list[Outcome]:
        return [await self.attempt(reach, destination, delivery) for delivery in deliveries]

    async def attempt(self, reach: Reach, destination: Destination, delivery: Claimed) -> Outcome:
        config = msgspec.convert(destination.config, SmtpConfig)
        mail = await outgoing(reach, destination, delivery, config)
        if isinstance(mail, Outcome):
            return mail
        started = time.perf_counter()
        try:
            async with asyncio.timeout(ATTEMPT_S), self.pool_of(reach, destination, config).connection() as client:
                outcome = delivered(await transmit(client, mail))
        except (OutboundFailed, NoStartTls, NoAnswer, NoUtf8, SMTPException, OSError) as error:
            outcome = outcome_of(error)
        return msgspec.structs.replace(outcome, latency=Latency(total_ms=round(1000 * (time.perf_counter() - started), 3)))

    def pool_of(self, reach: Reach, destination: Destination, config: SmtpConfig) -> Pool:
        credentials = msgspec.convert(destination.secrets, SmtpCredentials)
        key = (destination.id, config, credentials)
        pool = self.pools.get(key)
        if pool is None:
            policy = reach.outbound.policy
            pool = Pool(config.connections, lambda: connect(config, credentials, policy, self.names, self.tls))
            self.pools[key] = pool
        return pool


async def transmit(client: SMTP, mail: Outgoing) -> SMTPResponse:
    """Raises NoUtf8, NoAnswer, or what aiosmtplib does."""
    options: list[str] = []
    if not mail.to.is_ascii:
        if not client.supports_extension("smtputf8"):
            raise NoUtf8
        options = ["SMTPUTF8"]
    await client.mail(mail.sender.address, options=options, encoding="utf-8")
    await client.rcpt(mail.to.address, encoding="utf-8")
    try:
        return await client.data(mail.message, timeout=DATA_S)
    except (SMTPServerDisconnected, SMTPTimeoutError):
        raise NoAnswer from None
