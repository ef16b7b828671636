"""Spans: steps of a trace, each recorded in one go when it has ended.

Nothing is recorded unless a collector is set (TIDINGS_OTLP_URL) and the trace is sampled, which is decided once, where it begins. So what
is not sampled costs a comparison, and the rows that carry a context from process to process carry NULL.
"""

import random
from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from tidings.platform.telemetry.belonging import belonging
from tidings.platform.telemetry.context import Context, context_in, new_context

Kind = Literal["server", "internal", "producer", "consumer", "client"]


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """parent: the id of the span that caused it.   start_ns, end_ns: since 1970.   failure: in a word; None when it went well.

    attributes: no content of anybody's, and no address.
    """

    name: str
    context: Context
    parent: str | None
    start_ns: int
    end_ns: int
    kind: Kind = "internal"
    attributes: Mapping[str, str | int] = {}
    failure: str | None = None


class Tracing:
    """Of this process. take: hands a span on, at once and without waiting; None when traces are off."""

    def __init__(self) -> None:
        self.sample = 0.0
        self.take: Callable[[Span], None] | None = None

    def begin(self, sample: float, take: Callable[[Span], None]) -> None:
        """sample: the share of traces that begin here and are recorded, 0 to 1."""
        self.sample, self.take = sample, take

    def end(self) -> None:
        self.take = None

    def asked(self, header: bytes | None) -> tuple[Context | None, str | None]:
        """The context of a request, and the span of the caller's that caused it. Sampled as the caller's is, if it names one."""
        caller = context_in(header)
        if self.take is None:
            # Its lines name the trace all the same.
            return caller, None
        if caller is not None:
            return (caller.child(), caller.span) if caller.is_sampled else (caller, None)
        return (new_context(True), None) if random.random() < self.sample else (None, None)

    def record(self, span: Span) -> None:
        if self.take is not None:
            self.take(span)


tracing = Tracing()


def trace_of_request() -> str | None:
    """`traceparent` of the request under way, for a row that it writes; None where it is not sampled."""
    about = belonging()
    context = sampled(about.context) if about is not None else None
    return None if context is None else context.header


def sampled(context: Context | None) -> Context | None:
    """The context, where spans are recorded for it."""
    return context if context is not None and context.is_sampled and tracing.take is not None else None
