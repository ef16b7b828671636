"""What a letter says, before it is written as HTML or text."""

import re
from typing import NamedTuple

from tidings.deliveries.connectors.email.config import EmailConfig
from tidings.deliveries.connectors.links import absolute
from tidings.deliveries.connectors.notified import Notified
from tidings.deliveries.languages import Direction, direction_of, spoken, tag_of

# All of Unicode's Cc, Zl and Zp.
BREAKING = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
SURROGATE = re.compile(r"[\ud800-\udfff]")


class Words(NamedTuple):
    """sent_by: with the sender's name in braces."""

    open: str
    sent_by: str
    unsubscribe: str


WORDS = {
    "ar": Words("فتح", "أرسل إليك {} هذا الإشعار.", "إلغاء الاشتراك"),
    "de": Words("Öffnen", "Diese Nachricht hat Ihnen {} gesendet.", "Abmelden"),
    "en": Words("Open", "{} sent you this notification.", "Unsubscribe"),
    "es": Words("Abrir", "{} le ha enviado esta notificación.", "Darse de baja"),
    "fr": Words("Ouvrir", "{} vous a envoyé cette notification.", "Se désabonner"),
    "ja": Words("開く", "この通知は{}から送信されました。", "配信停止"),
}


class Letter(NamedTuple):
    """paragraphs: each a list of lines.   language: BCP 47.   words: what Tidings says itself, in that language or in English."""

    title: str
    paragraphs: list[list[str]]
    link: str | None
    category: str | None
    sender: str
    unsubscribe_url: str | None
    language: str
    direction: Direction
    words: Words


def letter_of(notification: Notified, config: EmailConfig, locale: str | None, unsubscribe_url: str | None) -> Letter:
    """locale: the reader's."""
    language = tag_of(locale)
    return Letter(
        title=one_line(notification.title),
        paragraphs=paragraphs_of(notification.body or ""),
        link=absolute(notification.url, config.link_base),
        category=notification.category,
        sender=config.from_name or config.sender,
        unsubscribe_url=unsubscribe_url,
        language=language,
        direction=direction_of(language),
        words=WORDS[spoken(language, WORDS)],
    )


def one_line(text: str) -> str:
    """Whatever could end a line or a header is a space, and lone surrogates go. What only joins or turns letters stays: Persian and emoji
    need it.
    """
    return " ".join(SURROGATE.sub("", BREAKING.sub(" ", text)).split())


def paragraphs_of(body: str) -> list[list[str]]:
    """Parted by empty lines."""
    blocks = re.split(r"\n[ \t]*\n", re.sub(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]", "\n", body))
    paragraphs = [[line for line in map(one_line, block.split("\n")) if line] for block in blocks]
    return [lines for lines in paragraphs if lines]
