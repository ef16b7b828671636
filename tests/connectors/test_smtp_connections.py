"""The connections of the SMTP connector: which are shared, when they end, and to which addresses they go."""

import asyncio

import pytest
from in_process import Api
from outbound.ground import names
from running import until

from connectors.mail_server import MailServer
from connectors.mailing import reaching_with
from connectors.smtp_provider import CREDENTIALS, HOST, authority, certificate, place, reach, sent, server, smtp
from tidings.deliveries.connectors.connector import Reach
from tidings.deliveries.connectors.smtp import pool
from tidings.deliveries.connectors.smtp.connector import Smtp

__all__ = ["authority", "certificate", "reach", "server", "smtp"]
# Which is what the server does here: with TLS from the start, aiosmtpd does not know that there is any.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")


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
    known.ask = lambda host: answers.pop(0)
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
