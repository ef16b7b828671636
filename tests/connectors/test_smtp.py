"""Mail over SMTP, to a real server (aiosmtpd) that encrypts, asks who it is, and refuses."""

import asyncio
import ssl

import msgspec
import pytest
from outbound.authority import Authority
from outbound.ground import answering, serving

from connectors.far_end import claimed
from connectors.mail_server import USER, MailServer, mail_server
from connectors.mailing import ALICE
from connectors.smtp_provider import authority, certificate, place, reach, sent, server, smtp
from tidings.deliveries.connectors.connector import Reach
from tidings.deliveries.connectors.smtp import connecting, connector
from tidings.deliveries.connectors.smtp.config import SmtpConfig
from tidings.deliveries.connectors.smtp.connector import Smtp

__all__ = ["authority", "certificate", "reach", "server", "smtp"]
# Which is what the server does here: with TLS from the start, aiosmtpd does not know that there is any.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")


async def test_it_goes_encrypted_and_signed_in(smtp: Smtp, reach: Reach, server: MailServer) -> None:
    outcome = await sent(smtp, reach, place(server))
    assert (outcome.kind, outcome.reason, outcome.response) == ("delivered", "smtp_250", b"2.0.0 queued as 4XyZ")
    assert outcome.latency is not None
    [mail] = server.mails
    assert (mail.sender, mail.recipients, mail.was_encrypted) == ("news@acme.example", ["alice@example.com"], True)
    assert mail.message["Subject"] == "Your export is ready"
    assert mail.message["Message-ID"] == "<01936f2e-7c1a-7d3e-8b4f-aaaaaaaaaaaa@acme.example>"
    text = mail.message.get_body(("plain",))
    assert text is not None
    assert "https://app.acme.example/exports/17" in text.get_content()


async def test_it_goes_by_tls_from_the_start(smtp: Smtp, reach: Reach, certificate: ssl.SSLContext) -> None:
    with mail_server(tls=certificate) as server:
        assert (await sent(smtp, reach, place(server, security="tls"))).kind == "delivered"
        assert server.mails[0].was_encrypted


async def test_it_goes_in_the_clear_where_that_is_allowed(smtp: Smtp, reach: Reach) -> None:
    with mail_server(signs_in=False) as server:
        assert (await sent(smtp, reach, place(server, security="none", credentials={}))).kind == "delivered"
        assert not server.mails[0].was_encrypted


async def test_a_server_that_offers_no_encryption_gets_nothing(smtp: Smtp, reach: Reach) -> None:
    with mail_server() as server:
        outcome = await sent(smtp, reach, place(server))
        assert (outcome.kind, outcome.reason) == ("retry", "no_starttls")
        assert (server.mails, server.sign_ins) == ([], 0)


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_server_that_cannot_prove_its_name_gets_nothing(smtp: Smtp, reach: Reach, authority: Authority, security: str) -> None:
    other = authority.context("other.example")
    with mail_server(starttls=other if security == "starttls" else None, tls=other if security == "tls" else None) as server:
        outcome = await sent(smtp, reach, place(server, security=security))
        assert (outcome.kind, outcome.reason) == ("retry", "tls_failed")
        assert "certificate was not accepted" in outcome.detail
        assert (server.mails, server.sign_ins) == ([], 0)


async def test_a_server_that_speaks_no_tls_on_its_port(smtp: Smtp, reach: Reach, server: MailServer) -> None:
    assert (await sent(smtp, reach, place(server, security="tls"))).reason == "tls_failed"


async def test_a_wrong_password_can_be_mended(smtp: Smtp, reach: Reach, server: MailServer) -> None:
    outcome = await sent(smtp, reach, place(server, credentials={"username": USER, "password": "wrong-pässword"}))
    assert (outcome.kind, outcome.reason, outcome.slow_down) == ("retry", "unauthorized", False)
    assert "wrong-pässword" not in outcome.detail + outcome.response.decode()
    assert (await sent(smtp, reach, place(server))).kind == "delivered"


# As RFC 3463 and IANA's registry have them, and as Gmail, Exchange and Postfix say them.
@pytest.mark.parametrize(
    ("answer", "kind", "reason"),
    [
        ("550 5.1.1 <alice@example.com>: Recipient address rejected: User unknown", "refused", "no_such_mailbox"),
        ("550-5.1.1 The email account that you tried to reach does not exist.\r\n550 5.1.1 Learn more", "refused", "no_such_mailbox"),
        ("550 5.1.10 RESOLVER.ADR.RecipientNotFound", "refused", "no_such_domain"),
        ("552 5.2.2 The email account that you tried to reach is over quota", "refused", "mailbox_full"),
        ("452 4.2.2 The email account that you tried to reach is over quota", "retry", "mailbox_full"),
        ("450 4.7.1 Greylisted, please come back later", "retry", "refused_by_policy"),
        ("451 try again later", "retry", "smtp_451"),
        ("554 Relay access denied", "refused", "smtp_554"),
        ("530 5.7.0 Must issue a STARTTLS command first", "retry", "unauthorized"),
        ("421 4.7.0 Too many connections, closing", "retry", "refused_by_policy"),
    ],
)
async def test_what_the_server_says_of_the_recipient(
    smtp: Smtp, reach: Reach, server: MailServer, answer: str, kind: str, reason: str
) -> None:
    server.rcpt_answers.append(answer)
    outcome = await sent(smtp, reach, place(server))
    assert (outcome.kind, outcome.reason, outcome.slow_down) == (kind, reason, answer.startswith("421"))
    assert outcome.response
    assert server.mails == []


@pytest.mark.parametrize(
    ("answer", "kind", "reason"),
    [
        ("552 5.3.4 Message too big", "refused", "too_large"),
        ("550 5.7.26 Unauthenticated email is not accepted due to the domain's DMARC policy", "refused", "not_authenticated"),
        ("451 4.3.0 Mail server temporarily rejected message", "retry", "smtp_451"),
    ],
)
async def test_what_the_server_says_of_the_message(
    smtp: Smtp, reach: Reach, server: MailServer, answer: str, kind: str, reason: str
) -> None:
    server.data_answers.append(answer)
    outcome = await sent(smtp, reach, place(server))
    assert (outcome.kind, outcome.reason) == (kind, reason)


async def test_a_message_whose_arrival_is_not_known_goes_again_with_the_same_id(smtp: Smtp, reach: Reach, server: MailServer) -> None:
    delivery = claimed(to=ALICE)
    server.data_answers.append(None)
    [first] = await smtp.send(reach, place(server), [delivery])
    assert (first.kind, first.reason) == ("retry", "no_answer")
    [second] = await smtp.send(reach, place(server), [delivery])
    assert second.kind == "delivered"
    assert smtp.repeats
    assert server.mails[0].content == server.mails[1].content


async def test_a_server_that_refuses_everybody_refuses_no_message(smtp: Smtp, reach: Reach) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"554 5.3.2 No service here\r\n")
        await writer.drain()

    async with serving(refuse) as server:
        outcome = await sent(smtp, reach, place(None, port=server.port))
    assert (outcome.kind, outcome.reason) == ("retry", "not_accepting")


async def test_a_server_that_says_nothing_is_given_up(smtp: Smtp, reach: Reach, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "COMMAND_S", 0.1)
    async with serving(answering(b"")) as server:
        outcome = await sent(smtp, reach, place(None, port=server.port))
    assert (outcome.kind, outcome.reason) == ("retry", "timed_out")


async def test_an_attempt_ends_however_long_others_keep_the_connections(
    smtp: Smtp, reach: Reach, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = place(server, connections=1)
    busy = smtp.pool_of(reach, where, msgspec.convert(where.config, SmtpConfig))
    monkeypatch.setattr(connector, "ATTEMPT_S", 0.1)
    async with busy.connection():
        outcome = await sent(smtp, reach, where)
    assert (outcome.kind, outcome.reason) == ("retry", "timed_out")


async def test_where_nothing_listens(smtp: Smtp, reach: Reach) -> None:
    async with serving(answering(b"")) as gone:
        pass
    outcome = await sent(smtp, reach, place(None, port=gone.port))
    assert (outcome.kind, outcome.reason) == ("retry", "not_connected")
