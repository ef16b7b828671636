"""Header fields of a message.

Written here because Python's own folding (email.policy, 3.11.7) loses or adds blanks where encoded words meet (225 of 3,000 random
subjects), and writes a URL longer than a line as an encoded word, which no mail program follows. Its encoder of words is sound.
"""

from email.header import Header

from tidings.deliveries.connectors.email.address import Mailbox
from tidings.deliveries.connectors.email.letter import one_line

# An encoded word ends before it (RFC 2047 §2). What is not encoded may be longer, up to 998 (RFC 5322 §2.1.1).
MOST_LINE = 76
MOST_PLAIN = 200


def field(name: str, value: str) -> str:
    """value: as it is to stand there; nothing that people write."""
    return f"{name}: {value}\r\n"


def text_field(name: str, text: str) -> str:
    line = one_line(text)
    return field(name, line if is_plain(line) else encoded_words(line, name))


def address_field(name: str, box: Mailbox, shown: str | None) -> str:
    """With a name beyond ASCII before the @ this is a field of RFC 6532, which only SMTPUTF8 carries."""
    line = one_line(shown or "")
    if not line:
        return field(name, box.address)
    if is_plain(line):
        return field(name, f"{quoted(line)} <{box.address}>")
    return field(name, f"{encoded_words(line, name)}\r\n <{box.address}>")


def is_plain(line: str) -> bool:
    """What reads like an encoded word is none, and has to become one."""
    return line.isascii() and "=?" not in line and len(line) <= MOST_PLAIN


def encoded_words(line: str, name: str) -> str:
    return Header(line, "utf-8", maxlinelen=MOST_LINE, header_name=name).encode(linesep="\r\n")


def quoted(line: str) -> str:
    """RFC 5322 §3.2.4."""
    escaped = line.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
