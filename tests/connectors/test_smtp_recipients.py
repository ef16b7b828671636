"""Whom the SMTP connector writes to: international addresses, none at all, and those who want no letters."""

import ssl
from typing import Any

import msgspec
import pytest
from in_process import Api

from connectors.far_end import destination
from connectors.mail_server import MailServer, mail_server
from connectors.mailing import letter_to, subscriber
from connectors.smtp_provider import CONFIG, CREDENTIALS, authority, certificate, place, reach, sent, server, smtp
from tidings.deliveries.connectors.connector import Reach
from tidings.deliveries.connectors.smtp.connector import Smtp
from tidings.deliveries.suppressions.store import suppress_addresses, suppress_person
from tidings.deliveries.suppressions.structs import Reason
from tidings.deliveries.suppressions.token import Unsubscriber, read_token
from tidings.platform.postgres import tenant_transaction

__all__ = ["authority", "certificate", "reach", "server", "smtp"]
# Which is what the server does here: with TLS from the start, aiosmtpd does not know that there is any.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")


async def test_international_addresses(smtp: Smtp, reach: Reach, server: MailServer) -> None:
    assert (await sent(smtp, reach, place(server), email="jörg@bücher.example", name="Jörg Müller")).kind == "delivered"
    [mail] = server.mails
    assert mail.recipients == ["jörg@xn--bcher-kva.example"]
    assert "SMTPUTF8" in mail.options
    assert "<jörg@xn--bcher-kva.example>".encode() in mail.content


async def test_an_international_domain_needs_nothing_special(smtp: Smtp, reach: Reach, certificate: ssl.SSLContext) -> None:
    with mail_server(starttls=certificate, utf8=False) as server:
        assert (await sent(smtp, reach, place(server), email="joerg@bücher.example", name="Jörg")).kind == "delivered"
        assert server.mails[0].content.isascii()
        outcome = await sent(smtp, reach, place(server), email="jörg@bücher.example")
        assert (outcome.kind, outcome.reason) == ("refused", "smtputf8_unsupported")


@pytest.mark.parametrize(
    ("person", "reason"),
    [({"email": None}, "no_address"), ({"email": "a>b@example.com"}, "bad_address"), ({"email": "a@[::1]"}, "bad_address")],
)
async def test_whoever_cannot_be_written_to(smtp: Smtp, reach: Reach, server: MailServer, person: dict[str, Any], reason: str) -> None:
    outcome = await sent(smtp, reach, place(server), **person)
    assert (outcome.kind, outcome.reason, server.connections) == ("refused", reason, 0)


async def test_whoever_unsubscribed_gets_nothing(smtp: Smtp, api: Api, reach: Reach, server: MailServer) -> None:
    alice = await subscriber(api)
    where = destination("smtp", CONFIG | {"port": server.port}, CREDENTIALS, api.tenant.id)
    [outcome] = await smtp.send(reach, where, [letter_to(api, alice)])
    assert outcome.kind == "delivered"
    link = server.mails[0].message["List-Unsubscribe"].strip("<>")
    who = read_token(link.rpartition("/")[2])
    assert who == Unsubscriber(api.tenant.id, alice, "email")

    async with tenant_transaction(api.database, api.tenant.id) as connection:
        await suppress_person(connection, who)
    [outcome] = await smtp.send(reach, where, [letter_to(api, alice)])
    assert (outcome.kind, outcome.reason, len(server.mails)) == ("refused", "suppressed", 1)
    other = destination("smtp", {**where.config, "unsubscribe": False}, CREDENTIALS, api.tenant.id)
    [outcome] = await smtp.send(reach, other, [letter_to(api, alice)])
    assert outcome.kind == "delivered"
    assert "List-Unsubscribe" not in server.mails[1].message


@pytest.mark.parametrize("reason", ["bounced", "complained"])
async def test_an_address_that_bounced_or_complained_gets_nothing_at_all(
    smtp: Smtp, api: Api, reach: Reach, server: MailServer, reason: Reason
) -> None:
    alice = await subscriber(api)
    async with tenant_transaction(api.database, api.tenant.id) as connection:
        await suppress_addresses(connection, api.tenant.id, "email", ["Alice@Example.com"], reason)
    where = destination("smtp", CONFIG | {"port": server.port, "unsubscribe": False}, CREDENTIALS, api.tenant.id)
    [outcome] = await smtp.send(reach, where, [letter_to(api, alice)])
    assert (outcome.kind, outcome.reason, server.connections) == ("refused", "suppressed", 0)


async def test_a_page_to_unsubscribe_is_offered_only_over_https(smtp: Smtp, api: Api, server: MailServer, reach: Reach) -> None:
    """RFC 8058 §3.1 wants https; whoever says `unsubscribe` is taken at their word."""
    alice = await subscriber(api)
    plain = msgspec.structs.replace(reach, base_url="http://127.0.0.1:8000")
    await smtp.send(plain, place(server), [letter_to(api, alice)])
    await smtp.send(plain, place(server, unsubscribe=True), [letter_to(api, alice)])
    assert ["List-Unsubscribe" in mail.message for mail in server.mails] == [False, True]
