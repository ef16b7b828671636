"""Addresses as SMTP takes them.

A subscriber's address was checked loosely when it came (any text around one @), so that nobody is refused for a form that is new to us.
Here it goes into a header and a command, so only what needs no quotes passes: dot-atoms (RFC 5322 §3.2.3), with letters of every
language (RFC 6531), at a name of DNS (IDNA 2008).
"""

import re
from functools import lru_cache
from typing import NamedTuple

import idna

# ASCII's atext, and all beyond it that is printable.
ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\u00a1-\U0010ffff]+"
LOCAL = re.compile(rf"{ATOM}(?:\.{ATOM})*")
MOST_LOCAL_BYTES = 64
MOST_BYTES = 254


class Mailbox(NamedTuple):
    """domain: in ASCII (A-labels), as every server takes it."""

    local: str
    domain: str

    @property
    def address(self) -> str:
        return f"{self.local}@{self.domain}"

    @property
    def is_ascii(self) -> bool:
        """Else only servers with SMTPUTF8 take it."""
        return self.local.isascii()


# The sender's is asked for with every message.
@lru_cache(maxsize=1024)
def mailbox(text: str) -> Mailbox:
    """Raises ValueError with what is wrong, without the address."""
    local, _, domain = text.strip().rpartition("@")
    if not LOCAL.fullmatch(local) or not local.isprintable() or len(local.encode()) > MOST_LOCAL_BYTES:
        raise ValueError("what stands before the @ is not a name that mail servers take")
    try:
        found = Mailbox(local, idna.encode(domain, uts46=True).decode().lower())
    except idna.IDNAError:
        raise ValueError("what stands after the @ is not a name of DNS") from None
    if len(found.address.encode()) > MOST_BYTES:
        raise ValueError("it is too long")
    return found
