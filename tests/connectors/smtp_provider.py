"""A mail server as a provider has it (aiosmtpd, with a certificate of the tests' own authority), and the connector that sends to it."""

import ssl
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from in_process import Api
from outbound.authority import Authority
from outbound.ground import names

from connectors.far_end import claimed, destination
from connectors.mail_server import PASSWORD, USER, MailServer, mail_server
from connectors.mailing import ALICE, reaching_with
from tidings.deliveries.connectors.connector import Destination, Reach
from tidings.deliveries.connectors.smtp.connector import Smtp
from tidings.deliveries.ledger.outcome import Outcome

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
