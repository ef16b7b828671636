"""A mail server at the far end: aiosmtpd, in a thread and on a loop of its own, since its STARTTLS wants asyncio's and not uvloop's."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTPUTF8
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USER, PASSWORD = "tidings", "pässword with blanks"


@dataclass
class Mail:
    """content: as it came, in bytes."""

    sender: str
    recipients: list[str]
    content: bytes
    options: list[str]
    was_encrypted: bool

    @property
    def message(self) -> EmailMessage:
        parsed = BytesParser(_class=EmailMessage, policy=SMTPUTF8).parsebytes(self.content)
        assert isinstance(parsed, EmailMessage)
        return parsed


@dataclass
class MailServer:
    """rcpt_answers, data_answers: to RCPT and to the end of DATA, each once; None ends the connection instead.

    sign_ins: how many tried.   connections, open, most_open: so far, now, and at most at the same time.
    """

    port: int = 0
    mails: list[Mail] = field(default_factory=list)
    rcpt_answers: list[str] = field(default_factory=list)
    data_answers: list[str | None] = field(default_factory=list)
    sign_ins: int = 0
    connections: int = 0
    open: int = 0
    most_open: int = 0
    under_way: set["Serving"] = field(default_factory=set)
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.SelectorEventLoop)

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        if self.rcpt_answers:
            return self.rcpt_answers.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        is_encrypted = server.transport.get_extra_info("sslcontext") is not None
        self.mails.append(Mail(str(envelope.mail_from), list(envelope.rcpt_tos), envelope.content, envelope.mail_options, is_encrypted))
        answer = self.data_answers.pop(0) if self.data_answers else "250 2.0.0 queued as 4XyZ"
        if answer is None:
            server.transport.abort()
            return "250 OK"
        return answer

    def authenticate(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        self.sign_ins += 1
        is_right = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        # handled=False: aiosmtpd then says 535 5.7.8 itself.
        return AuthResult(success=is_right, handled=False)

    def drop_all(self) -> None:
        """End all connections, as servers do with idle ones."""
        for serving in list(self.under_way):
            self.loop.call_soon_threadsafe(serving.transport.abort)


class Serving(SMTP):
    def __init__(self, server: MailServer, **options: Any) -> None:
        super().__init__(server, loop=server.loop, hostname="mail.example", **options)
        self.mail_server = server

    def connection_made(self, transport: Any) -> None:
        # Once more after STARTTLS.
        if self not in self.mail_server.under_way:
            self.mail_server.under_way.add(self)
            self.mail_server.connections += 1
            self.mail_server.open += 1
            self.mail_server.most_open = max(self.mail_server.most_open, self.mail_server.open)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self in self.mail_server.under_way:
            self.mail_server.under_way.discard(self)
            self.mail_server.open -= 1
        super().connection_lost(error)


@contextmanager
def mail_server(
    *, starttls: ssl.SSLContext | None = None, tls: ssl.SSLContext | None = None, signs_in: bool = True, utf8: bool = True
) -> Iterator[MailServer]:
    """starttls, tls: the server's certificate, for one or the other; without both it speaks in the clear."""
    server = MailServer()
    options: dict[str, Any] = {"enable_SMTPUTF8": utf8, "tls_context": starttls, "require_starttls": starttls is not None}
    if signs_in:
        options |= {"authenticator": server.authenticate, "auth_required": True, "auth_require_tls": starttls is not None}

    async def listen() -> asyncio.Server:
        return await server.loop.create_server(lambda: Serving(server, **options), "127.0.0.1", 0, ssl=tls)

    thread = threading.Thread(target=server.loop.run_forever, daemon=True)
    thread.start()
    listening = asyncio.run_coroutine_threadsafe(listen(), server.loop).result(10)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.get_loop().call_soon_threadsafe(listening.close)
        asyncio.run_coroutine_threadsafe(end_all(server), server.loop).result(10)
        server.loop.call_soon_threadsafe(server.loop.stop)
        thread.join(10)


async def end_all(server: MailServer) -> None:
    server.drop_all()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
