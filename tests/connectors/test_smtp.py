"""Mail over SMTP, to a real server (aiosmtpd) that encrypts, asks who it is, and refuses."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from ipaddress import ip_network
from typing import Any

import msgspec
import pytest
from connectors.far_end import ALLOWING, PUBLIC, claimed, destination
from connectors.mail_server import PASSWORD, USER, MailServer, mail_server
from connectors.mailing import ALICE, letter_to, reaching_with, subscriber
from in_process import Api, api, database, state_dir
from outbound.authority import Authority
from outbound.ground import answering, names, serving
from running import until

from tidings.deliveries.connectors.connector import Destination, Reach
from tidings.deliveries.connectors.smtp import connecting, connector, pool
from tidings.deliveries.connectors.smtp.config import SmtpConfig, SmtpCredentials
from tidings.deliveries.connectors.smtp.connector import Smtp
from tidings.deliveries.ledger.outcome import Outcome
from tidings.deliveries.suppressions.store import suppress_addresses, suppress_person
from tidings.deliveries.suppressions.structs import Reason
from tidings.deliveries.suppressions.token import Unsubscriber, read_token
from tidings.errors import Invalid
from tidings.outbound.networks import Policy
from tidings.platform.postgres import tenant_transaction

__all__ = ["api", "database", "state_dir"]
# Which is what the server does here: with TLS from the start, aiosmtpd does not know that there is any.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")

HOST = "smtp.acme.example"
CONFIG = {"host": HOST, "from": "news@acme.example", "from_name": "Acme", "link_base": "https://app.acme.example/"}
CREDENTIALS = {"username": USER, "password": PASSWORD}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def certificate(authority: Authority) -> ssl.SSLContext:
    return authority.context(HOST)


@pytest.fixture
def server(certificate: ssl.SSLContext) -> Iterator[MailServer]:
    """As a provider has it: STARTTLS, then a password."""
    with mail_server(starttls=certificate) as server:
        yield server


@pytest.fixture
def smtp(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Smtp:
    """To whom the server's name leads to this machine."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    return Smtp(lambda: names({HOST: ["127.0.0.1"]}))


@pytest.fixture
async def reach(api: Api) -> AsyncIterator[Reach]:
    async with reaching_with(api) as reach:
        yield reach


def place(server: MailServer | None, *, credentials: dict[str, str] | None = None, **config: Any) -> Destination:
    port = {"port": server.port} if server else {}
    return destination("smtp", CONFIG | port | config, CREDENTIALS if credentials is None else credentials)


async def sent(smtp: Smtp, reach: Reach, where: Destination, **to: Any) -> Outcome:
    [outcome] = await smtp.send(reach, where, [claimed(to=ALICE | to, body="1,204 rows", url="/exports/17")])
    return outcome


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


async def test_one_message_after_another_takes_the_same_connection(smtp: Smtp, reach: Reach, server: MailServer) -> None:
    for _ in range(3):
        assert (await sent(smtp, reach, place(server))).kind == "delivered"
    assert (server.connections, server.sign_ins, len(server.mails)) == (1, 1, 3)


async def test_a_refused_message_leaves_the_connection_to_the_next(smtp: Smtp, reach: Reach, server: MailServer) -> None:
    server.rcpt_answers.append("550 5.1.1 unknown")
    assert (await sent(smtp, reach, place(server))).kind == "refused"
    assert (await sent(smtp, reach, place(server))).kind == "delivered"
    assert server.connections == 1


async def test_many_messages_share_few_connections(smtp: Smtp, reach: Reach, server: MailServer) -> None:
    where = place(server, connections=2)
    outcomes = await asyncio.gather(*(sent(smtp, reach, where) for _ in range(8)))
    assert {outcome.kind for outcome in outcomes} == {"delivered"}
    assert (server.most_open, len(server.mails)) == (2, 8)


async def test_a_connection_that_the_server_ended_is_not_used(smtp: Smtp, reach: Reach, server: MailServer) -> None:
    await sent(smtp, reach, place(server))
    server.drop_all()
    await until(lambda: is_closed(server), what="the server ended it")
    assert (await sent(smtp, reach, place(server))).kind == "delivered"
    assert server.connections == 2


async def is_closed(server: MailServer) -> bool:
    return server.open == 0


async def test_a_connection_that_is_not_used_is_closed(
    smtp: Smtp, reach: Reach, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "IDLE_S", 0.05)
    await sent(smtp, reach, place(server))
    await until(lambda: is_closed(server), what="the connection was closed")
    await until(lambda: no_pools(smtp), what="its pool was forgotten")
    assert (await sent(smtp, reach, place(server))).kind == "delivered"


async def no_pools(smtp: Smtp) -> bool:
    return not smtp.pools


async def test_a_connection_ends_after_so_many_messages(
    smtp: Smtp, reach: Reach, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "MOST_MESSAGES", 2)
    for _ in range(4):
        await sent(smtp, reach, place(server))
    assert server.connections == 2


async def test_other_credentials_take_another_connection(smtp: Smtp, reach: Reach, server: MailServer) -> None:
    await sent(smtp, reach, place(server))
    assert (await sent(smtp, reach, place(server, credentials=CREDENTIALS | {"password": "other"}))).reason == "unauthorized"
    assert server.connections == 2


async def test_a_name_is_resolved_once_and_what_was_checked_is_connected_to(reach: Reach, server: MailServer, smtp: Smtp) -> None:
    """A second answer of the name server would be the way around the check."""
    answers = [["127.0.0.1"], ["169.254.169.254"]]
    known = names({HOST: []})
    known.look_up = lambda host: answers.pop(0)
    smtp.new_names = lambda: known
    assert (await sent(smtp, reach, place(server))).kind == "delivered"
    assert len(answers) == 1


@pytest.mark.parametrize("addresses", [["10.0.0.1"], ["127.0.0.1", "169.254.169.254"], ["127.0.0.1", "fd00::1"], ["::ffff:127.0.0.1"]])
async def test_a_private_address_is_refused_whatever_stands_beside_it(
    smtp: Smtp, reach: Reach, server: MailServer, addresses: list[str]
) -> None:
    smtp.new_names = lambda: names({HOST: addresses})
    outcome = await sent(smtp, reach, place(server))
    assert (outcome.kind, outcome.reason, server.connections) == ("retry", "blocked", 0)
    assert "169.254" not in outcome.detail and "10.0" not in outcome.detail


async def test_this_machine_is_refused_unless_it_is_allowed(smtp: Smtp, api: Api, server: MailServer) -> None:
    async with reaching_with(api, allow=()) as reach:
        assert (await sent(smtp, reach, place(server))).reason == "blocked"
        assert (await sent(smtp, reach, place(server, host="127.0.0.1"))).reason == "blocked"
    assert server.connections == 0


async def test_a_name_without_an_address(smtp: Smtp, reach: Reach) -> None:
    outcome = await sent(smtp, reach, place(None, host="nowhere.example"))
    assert (outcome.kind, outcome.reason) == ("retry", "not_resolved")


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
    other = destination("smtp", where.config | {"unsubscribe": False}, CREDENTIALS, api.tenant.id)
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


MX = {"host": "smtp.provider.example", "from": "news@acme.example"}


@pytest.mark.parametrize(
    ("config", "credentials", "policy", "field"),
    [
        ({"host": "https://smtp.example.com"}, {}, PUBLIC, "config.host"),
        ({"host": "2130706433"}, {}, PUBLIC, "config.host"),
        ({"host": "127.0.0.1"}, {}, PUBLIC, "config.host"),
        ({"host": "10.0.0.1"}, {}, ALLOWING, "config.host"),
        ({"host": "9.9.9.9", "port": 443}, {}, PUBLIC, "config.host"),
        ({"host": "9.9.9.9", "security": "none"}, {}, ALLOWING, "config.host"),
        ({"security": "none"}, {}, PUBLIC, "config.security"),
        ({"from": "nobody"}, {}, PUBLIC, "config.from"),
        ({}, {"username": "x"}, PUBLIC, "credentials.password"),
    ],
)
def test_what_cannot_be_is_named(config: dict[str, Any], credentials: dict[str, str], policy: Policy, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        Smtp().check(msgspec.convert(MX | config, SmtpConfig), msgspec.convert(credentials, SmtpCredentials), policy)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("config", "policy"),
    [
        ({}, PUBLIC),
        ({"security": "tls", "port": 465}, PUBLIC),
        ({"port": 25}, PUBLIC),
        ({"host": "9.9.9.9", "port": 2525}, PUBLIC),
        ({"host": "127.0.0.1", "port": 1025, "security": "none"}, ALLOWING),
        ({"host": "10.1.2.3", "port": 25}, Policy((ip_network("10.0.0.0/8"),))),
    ],
)
def test_what_can_be(config: dict[str, Any], policy: Policy) -> None:
    Smtp().check(msgspec.convert(MX | config, SmtpConfig), SmtpCredentials("user", "pass"), policy)


@pytest.mark.parametrize("wrong", [{"port": 0}, {"security": "ssl"}, {"connections": 0}, {"password": "x"}, {"from_name": "x\r\nBcc: y"}])
def test_what_the_types_refuse(wrong: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(MX | wrong, SmtpConfig)


def test_ports_follow_the_security() -> None:
    settings = [msgspec.convert(MX | {"security": security}, SmtpConfig) for security in ("starttls", "tls", "none")]
    assert [one.port_used for one in settings] == [587, 465, 25]
