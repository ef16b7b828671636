"""The message itself, read back as a mail program would."""

import re
import string
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.message import EmailMessage, Message
from email.parser import BytesParser, Parser
from email.policy import SMTPUTF8, compat32
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.far_end import claimed
from tidings.deliveries.connectors.email.address import mailbox
from tidings.deliveries.connectors.email.config import EmailConfig, check_email_config
from tidings.deliveries.connectors.email.letter import letter_of, one_line
from tidings.deliveries.connectors.email.message import message_of
from tidings.deliveries.connectors.notified import Notified, read_notification
from tidings.errors import Invalid

UNSUBSCRIBE = "https://tidings.example.com/v1/unsubscribe/" + "x" * 90
CONFIG = {"from": "news@acme.example", "from_name": "Acme, Inc.", "link_base": "https://app.acme.example/"}
# Whatever a product may have sent: letters of all kinds, and what means something in headers and in HTML.
ODD_TEXT = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]) | st.sampled_from(' ,;:"<>()@\\=?_&äöü漢🎉\u200d\r\n'), max_size=150
)


def raw(
    *,
    to: str = "alice@example.com",
    name: str | None = "Alice Adams",
    locale: str | None = "en",
    config: dict[str, Any] | None = None,
    unsubscribe_url: str | None = UNSUBSCRIBE,
    **notification: Any,
) -> bytes:
    delivery = claimed(to={"name": name, "email": to, "locale": locale, "subscriber": 1}, **notification)
    settings = msgspec.convert(CONFIG | (config or {}), EmailConfig)
    notified = read_notification(delivery, datetime.now(UTC))
    assert isinstance(notified, Notified)
    return message_of(delivery, settings, "prj_1", mailbox(to), letter_of(notified, settings, locale, unsubscribe_url))


def parsed(**given: Any) -> EmailMessage:
    message = BytesParser(_class=EmailMessage, policy=SMTPUTF8).parsebytes(raw(**given))
    assert isinstance(message, EmailMessage)
    return message


def part(message: EmailMessage, kind: str) -> str:
    found = message.get_body((kind,))
    assert found is not None
    return str(found.get_content())


class Seen(HTMLParser):
    """What a reader sees of HTML, and what a mail program would fetch."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.hidden = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.hidden += tag in ("style", "title")

    def handle_endtag(self, tag: str) -> None:
        self.hidden -= tag in ("style", "title")

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    @property
    def links(self) -> list[str | None]:
        return [attributes.get("href") for tag, attributes in self.tags if tag == "a"]


def test_the_headers_say_who_what_and_when() -> None:
    message = parsed(category="exports", config={"reply_to": "help@acme.example"})
    assert [(one.display_name, one.addr_spec) for one in message["From"].addresses] == [("Acme, Inc.", "news@acme.example")]
    assert [(one.display_name, one.addr_spec) for one in message["To"].addresses] == [("Alice Adams", "alice@example.com")]
    assert message["Reply-To"] == "help@acme.example"
    assert message["Subject"] == "Your export is ready"
    assert message["Message-ID"] == "<01936f2e-7c1a-7d3e-8b4f-aaaaaaaaaaaa@acme.example>"
    assert abs((parsedate_to_datetime(message["Date"]) - datetime.now(UTC)).total_seconds()) < 60
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Feedback-ID"] == "exports:prj_1:notification:tidings"
    assert "Precedence" not in message
    assert not message.defects


def test_it_can_be_refused_with_one_click() -> None:
    """RFC 8058 §3.1: an https URL on one line, and the header that says it may be posted to."""
    lines = raw().split(b"\r\n")
    assert f"List-Unsubscribe: <{UNSUBSCRIBE}>".encode() in lines
    assert b"List-Unsubscribe-Post: List-Unsubscribe=One-Click" in lines
    assert UNSUBSCRIBE in Seen(part(parsed(), "html")).links
    assert f"Unsubscribe: {UNSUBSCRIBE}" in part(parsed(), "plain")


def test_without_a_way_to_unsubscribe_nothing_speaks_of_it() -> None:
    message = parsed(unsubscribe_url=None)
    assert "List-Unsubscribe" not in message
    assert "List-Unsubscribe-Post" not in message
    assert "Unsubscribe" not in part(message, "html") + part(message, "plain")


def test_text_and_html_say_the_same() -> None:
    message = parsed(body="1,204 rows, 3 MB.\nStays a week.\n\n\nThen it goes.", url="/exports/17?as=csv&all=1", category="exports")
    assert [one.get_content_type() for one in message.iter_parts()] == ["text/plain", "text/html"]
    text, page = part(message, "plain"), part(message, "html")
    assert text.replace("\r\n", "\n").startswith("Your export is ready\n\n1,204 rows, 3 MB.\nStays a week.\n\nThen it goes.\n\nOpen: ")
    assert "Open: https://app.acme.example/exports/17?as=csv&all=1" in text
    seen = Seen(page)
    for words in ("exports Your export is ready", "1,204 rows, 3 MB. Stays a week. Then it goes.", "Open Acme, Inc. sent you this"):
        assert words in seen.text
    assert seen.links == ["https://app.acme.example/exports/17?as=csv&all=1", UNSUBSCRIBE]


def test_a_bare_notification_is_a_whole_letter() -> None:
    message = parsed(body=None, url=None, category=None)
    assert part(message, "plain").startswith("Your export is ready")
    assert Seen(part(message, "html")).links == [UNSUBSCRIBE]


@pytest.mark.parametrize(("url", "base"), [("/exports/17", None), ("javascript:alert(1)", "https://app.acme.example"), ("https://[", None)])
def test_a_link_that_leads_nowhere_is_left_out(url: str, base: str | None) -> None:
    message = parsed(url=url, config={"link_base": base})
    assert Seen(part(message, "html")).links == [UNSUBSCRIBE]
    assert "Open:" not in part(message, "plain")


def test_nothing_is_fetched_when_it_is_read() -> None:
    page = part(parsed(body="text", url="https://app.acme.example/x", category="c"), "html")
    assert not {"img", "link", "script", "iframe", "object", "video", "audio"} & {tag for tag, _ in Seen(page).tags}
    assert not re.search(r"url\(|@import|src=|background=", page)


def test_html_is_escaped() -> None:
    evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>&lt;"
    page = part(parsed(title=evil, body=evil, config={"from_name": evil}, unsubscribe_url=UNSUBSCRIBE), "html")
    seen = Seen(page)
    assert not {"script", "img"} & {tag for tag, _ in seen.tags}
    assert seen.text.count(evil) == 4  # heading, preview, body, sender


def test_what_looks_like_a_place_of_the_template_stays_as_it_is() -> None:
    message = parsed(title="$title ${body} $$ {0} {}", body="$footer", config={"from_name": "{0} {sender}"})
    assert "$title ${body} $$ {0} {}" in Seen(part(message, "html")).text
    assert "{0} {sender} sent you this notification." in part(message, "plain")


def test_no_header_can_be_injected() -> None:
    evil = "x\r\nBcc: everyone@example.com\r\n\r\n<b>body</b>"
    message = parsed(title=evil, name=evil, config={"from_name": "Acme"})
    assert set(message.keys()) <= {
        *("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Feedback-ID", "Content-Language"),
        *("List-Unsubscribe", "List-Unsubscribe-Post", "MIME-Version", "Content-Type"),
    }
    assert message["Subject"] == "x Bcc: everyone@example.com <b>body</b>"
    assert [one.addr_spec for one in message["To"].addresses] == ["alice@example.com"]


@given(title=ODD_TEXT.filter(str.strip), name=ODD_TEXT)
def test_every_text_comes_out_of_its_header_as_it_went_in(title: str, name: str) -> None:
    content = raw(title=title, name=name)
    head, _, _ = content.partition(b"\r\n\r\n")
    assert head.isascii()
    assert all(len(line) <= 998 for line in content.split(b"\r\n"))
    # The older parser: the newer one of Python 3.11 adds a blank between encoded words of a name.
    message = Parser(policy=compat32).parsestr(head.decode())
    assert decoded(message, "Subject") == one_line(title)
    phrase, _, address = message["To"].rpartition("<")
    assert address in ("alice@example.com>", "alice@example.com")
    assert name_in(phrase.strip()) == one_line(name[:64])


def decoded(message: Message, name: str) -> str:
    return str(make_header(decode_header(message[name])))


def name_in(phrase: str) -> str:
    if phrase.startswith('"'):
        return re.sub(r"\\(.)", r"\1", phrase[1:-1])
    return str(make_header(decode_header(phrase)))


@given(title=ODD_TEXT.filter(str.strip), body=ODD_TEXT)
def test_every_text_is_seen_in_html_as_it_was_sent(title: str, body: str) -> None:
    seen = Seen(part(parsed(title=title, body=body), "html"))
    assert " ".join(one_line(title).split()) in seen.text
    assert "".join(one_line(body).split()) in "".join(seen.text.split())


def test_it_is_written_in_seven_bits() -> None:
    content = raw(title="Ihr Export ist fertig 🎉", body="Größe: 3 MB\n\n" + "ä" * 4000, name="Jörg Müller")
    assert content.isascii()
    assert max(map(len, content.split(b"\r\n"))) <= 998
    assert b"\n" not in content.replace(b"\r\n", b"")


@pytest.mark.parametrize(
    ("locale", "lang", "direction", "opened"),
    [
        ("ar-EG", "ar-EG", "rtl", "فتح"),
        ("he", "he", "rtl", "Open"),
        ("az_Arab", "az-Arab", "rtl", "Open"),
        ("de_AT", "de-AT", "ltr", "Öffnen"),
        ("ja", "ja", "ltr", "開く"),
        ("ur-Latn", "ur-Latn", "ltr", "Open"),
        (None, "en", "ltr", "Open"),
    ],
)
def test_it_speaks_the_readers_language_in_its_direction(locale: str | None, lang: str, direction: str, opened: str) -> None:
    message = parsed(locale=locale, url="https://app.acme.example/x")
    assert message["Content-Language"] == lang
    seen = Seen(part(message, "html"))
    assert next(attributes for tag, attributes in seen.tags if tag == "html")["lang"] == lang
    assert {attributes["dir"] for tag, attributes in seen.tags if "dir" in attributes} == {direction}
    assert opened in seen.text
    assert f"{opened}: https://app.acme.example/x" in part(message, "plain")


def test_persian_keeps_its_joiners() -> None:
    assert parsed(title="می\u200cخواهم", locale="fa")["Subject"] == "می\u200cخواهم"


def test_an_attempt_made_again_sends_the_same_bytes() -> None:
    delivery = claimed(to={"name": "Alice", "email": "alice@example.com", "subscriber": 1})
    settings = msgspec.convert(CONFIG, EmailConfig)
    notified = read_notification(delivery, datetime.now(UTC))
    assert isinstance(notified, Notified)
    letter = letter_of(notified, settings, None, UNSUBSCRIBE)
    first, second = (message_of(delivery, settings, "prj_1", mailbox("alice@example.com"), letter) for _ in range(2))
    assert first == second


def test_an_international_address_is_written_as_it_is() -> None:
    """RFC 6532: in UTF-8, where there is no other way; its domain in ASCII all the same."""
    head = raw(to="jörg@bücher.example", name="Jörg").partition(b"\r\n\r\n")[0].decode()
    assert "<jörg@xn--bcher-kva.example>" in head


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("alice@example.com", "alice@example.com"),
        ("Alice.O'Neil+tag@EXAMPLE.com", "Alice.O'Neil+tag@example.com"),
        ("a@bücher.example", "a@xn--bcher-kva.example"),
        ("用户@例子.example", "用户@xn--fsqu00a.example"),
    ],
)
def test_addresses_that_mail_servers_take(text: str, address: str) -> None:
    assert mailbox(text).address == address


@pytest.mark.parametrize(
    "text",
    [
        "a>b@example.com", "a,b@example.com", "<a@example.com", '"a b"@example.com', "a@b@example.com", ".a@example.com",
        "a..b@example.com", "a@example.com>", "a@exa mple.com", "a@[127.0.0.1]", "a@-example.com", "a@example..com", "a@", "@example.com",
        "a\r\nRCPT TO:<b@x.y>@z.y", "a" * 65 + "@example.com", "a@" + "b" * 64 + ".example", "a\u200b@example.com",
        "a\u2028@example.com", "a:b@example.com", "a@" + ".".join(["b" * 60] * 5),
    ],
)  # fmt: skip
def test_addresses_that_could_mean_something_else_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        mailbox(text)


@given(local=st.text(st.sampled_from(string.printable + "äß漢\u2028\x85"), max_size=12))
def test_no_address_ends_its_command(local: str) -> None:
    try:
        found = mailbox(f"{local}@example.com")
    except ValueError:
        return
    assert not re.search(r"[\s<>,;:\"()\[\]\\]", found.address)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"from": "nobody"}, "config.from"),
        ({"from": "jörg@example.com"}, "config.from"),
        ({"reply_to": "a>b@example.com"}, "config.reply_to"),
        ({"link_base": "/path"}, "config.link_base"),
    ],
)
def test_wrong_settings_are_named(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_email_config(msgspec.convert(CONFIG | wrong, EmailConfig))
    assert refused.value.field == field
