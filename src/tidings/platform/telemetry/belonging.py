"""What a line of the log belongs to: a request or a delivery, its project, its trace.

Kept in a variable of the task, so that whoever logs something needs to know nothing of it.
"""

import itertools
import re
from collections.abc import Iterator
from contextvars import ContextVar

import msgspec

from tidings.platform.ids import random_id
from tidings.platform.telemetry.context import Context

# What may come back in an answer and stand in a line: no white space, no quotes, no escape, and no room for a token.
SANE = re.compile(rb"[A-Za-z0-9._:=+-]{1,64}")

NAMES = ("request", "project", "trace", "delivery")


class Belonging(msgspec.Struct):
    """context: of the span that is under way, if there is one; then `trace` is its trace's id."""

    request: str | None
    context: Context | None = None
    project: str | None = None
    delivery: str | None = None

    @property
    def trace(self) -> str | None:
        return None if self.context is None else self.context.trace

    def named(self) -> Iterator[tuple[str, str]]:
        for name in NAMES:
            if (value := getattr(self, name)) is not None:
                yield name, value


_belongs: ContextVar[Belonging | None] = ContextVar("belongs", default=None)

belonging = _belongs.get
belong_to = _belongs.set


def belong_to_project(key: str) -> None:
    """Of the request under way: it is known when who asks is."""
    if (current := _belongs.get()) is not None:
        current.project = key


# A counter after what no other process has: 0.2 µs, where sixteen random characters take 9.
_own = random_id("req", 10)
_numbers = itertools.count()


def new_request() -> str:
    return _own + str(next(_numbers))


def request_in(header: bytes | None, context: Context | None) -> str:
    """`X-Request-Id` where it is sane, else the id of the caller's trace, else a new one."""
    if header is not None and SANE.fullmatch(header):
        return header.decode()
    return new_request() if context is None else context.trace
