"""W3C Trace Context: which trace something belongs to, and what caused it, as `traceparent` carries both from one system to the next."""

import os
import re
from hashlib import blake2b

import msgspec

TRACEPARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
SAMPLED = 0x01


class Context(msgspec.Struct, frozen=True):
    """A span's place. trace, span: their ids in hexadecimal, 32 and 16 digits.   is_sampled: whether its spans are told to a collector."""

    trace: str
    span: str
    is_sampled: bool

    @property
    def header(self) -> str:
        """As `traceparent`."""
        return f"00-{self.trace}-{self.span}-{SAMPLED if self.is_sampled else 0:02x}"

    def child(self, span: str | None = None) -> "Context":
        """Of the same trace. span: its id, where it is known beforehand."""
        return Context(self.trace, span or new_span(), self.is_sampled)

    def step(self, what: str) -> "Context":
        """A child whose id follows from what it is, so that whoever carries it on in another process knows it without being told."""
        return self.child(blake2b(f"{self.span}/{what}".encode(), digest_size=8).hexdigest())


def new_context(is_sampled: bool) -> Context:
    return Context(os.urandom(16).hex(), new_span(), is_sampled)


def new_span() -> str:
    return os.urandom(8).hex()


def context_in(header: bytes | str | None) -> Context | None:
    """None for what is no `traceparent`: then a trace begins here (§3.2.2.5, §4.3)."""
    if header is None:
        return None
    match = TRACEPARENT.fullmatch(header.encode() if isinstance(header, str) else header)
    if match is None:
        return None
    version, trace, span, flags, more = match.groups()
    is_wrong = version == b"ff" or (version == b"00" and more is not None) or not trace.strip(b"0") or not span.strip(b"0")
    return None if is_wrong else Context(trace.decode(), span.decode(), bool(int(flags, 16) & SAMPLED))
