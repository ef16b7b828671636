"""The whole message: headers, and the letter as text and as HTML. A pure function, so that an attempt made again sends the same bytes."""

import re
from binascii import b2a_qp
from email.utils import format_datetime

from tidings.deliveries.connectors.email.address import Mailbox, mailbox
from tidings.deliveries.connectors.email.config import EmailConfig
from tidings.deliveries.connectors.email.headers import address_field, field, text_field
from tidings.deliveries.connectors.email.html import html_of
from tidings.deliveries.connectors.email.letter import Letter
from tidings.deliveries.connectors.email.text import text_of
from tidings.deliveries.ledger.claim import Claimed

MOST_NAME = 64
LINE_END = re.compile(r"\r\n|\r|\n")


def message_of(delivery: Claimed, config: EmailConfig, project_key: str, to: Mailbox, letter: Letter) -> bytes:
    """In ASCII, but for an address that is not."""
    return head_of(delivery, config, project_key, to, letter).encode() + body_of(delivery, letter)


def head_of(delivery: Claimed, config: EmailConfig, project_key: str, to: Mailbox, letter: Letter) -> str:
    sender = mailbox(config.sender)
    fields = [
        address_field("From", sender, config.from_name),
        address_field("To", to, (delivery.name or "")[:MOST_NAME]),
        *([address_field("Reply-To", mailbox(config.reply_to), None)] if config.reply_to else []),
        text_field("Subject", letter.title),
        field("Date", format_datetime(delivery.accepted_at)),
        # The same in every attempt: servers and mailboxes know a repetition by it.
        field("Message-ID", f"<{delivery.id}@{sender.domain}>"),
        # Keeps holiday notices away (RFC 3834 §5).
        field("Auto-Submitted", "auto-generated"),
        # By which Gmail's Postmaster Tools tell complaints apart.
        field("Feedback-ID", f"{feedback_part(letter.category or 'none')}:{feedback_part(project_key)}:notification:tidings"),
        field("Content-Language", letter.language),
    ]
    if letter.unsubscribe_url is not None:
        fields.append(field("List-Unsubscribe", f"<{letter.unsubscribe_url}>"))
        fields.append(field("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))
    return "".join(fields)


def body_of(delivery: Claimed, letter: Letter) -> bytes:
    """From MIME-Version on. Put together by hand: Python's EmailMessage took 8 ms for it, during which nothing else goes on."""
    boundary = f"=_{delivery.id}"
    head = field("MIME-Version", "1.0") + field("Content-Type", f'multipart/alternative; boundary="{boundary}"')
    parts = (part_of("plain", text_of(letter)), part_of("html", html_of(letter)))
    opened = "".join(f"\r\n--{boundary}\r\n{part}" for part in parts)
    return f"{head}{opened}\r\n--{boundary}--\r\n".encode()


def part_of(kind: str, text: str) -> str:
    """In 7 bits and short lines, since a server on the way may know nothing else (RFC 2045 §6.7)."""
    content = b2a_qp(LINE_END.sub("\r\n", text).encode(), istext=True).decode()
    head = field("Content-Type", f'text/{kind}; charset="utf-8"') + field("Content-Transfer-Encoding", "quoted-printable")
    return f"{head}\r\n{content}"


def feedback_part(text: str) -> str:
    """Without the colon that parts them."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", text)[:64]
