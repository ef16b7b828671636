"""Spans on their way to a collector: OTLP over HTTP, from a thread of its own.

Bounded, and never waited for: what finds no room, and what the collector does not take in time, is dropped and counted. Imported only where
TIDINGS_OTLP_URL is set, since it needs the extra `telemetry`.

Spans are built as the exporter reads them (`ReadableSpan`), past the SDK's tracer: ours are known when they have ended, some in another
process than the one they began in, with ids that follow from what they tell of. A test with a real collector holds the two together.
"""

import atexit
import os
import socket
import threading
from collections import deque
from urllib.parse import urlsplit, urlunsplit

from loguru import logger
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from tidings import __version__
from tidings.platform.metrics import SPANS
from tidings.platform.telemetry.spans import Span, tracing
from tidings.settings import Settings

# Spans that wait, at most: 3 MB of them.
MOST_WAITING = 4096
# In one request.
TOGETHER = 512
PAUSE_S = 1.0
# Of a request, with its repetitions.
TIMEOUT_S = 5.0
ENDS_WITHIN_S = 2.0
PATH = "/v1/traces"

KINDS = {
    "server": SpanKind.SERVER,
    "internal": SpanKind.INTERNAL,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
    "client": SpanKind.CLIENT,
}
SCOPE = InstrumentationScope("tidings", __version__)
WELL = Status(StatusCode.UNSET)
SAMPLED = TraceFlags(TraceFlags.SAMPLED)

EXPORTED, DROPPED, FAILED = SPANS.labels("exported"), SPANS.labels("dropped"), SPANS.labels("failed")


def begin(settings: Settings, process: str) -> None:
    """Export this process's spans from now on, until it ends. The exporter reads OTEL_EXPORTER_OTLP_HEADERS and _CERTIFICATE itself."""
    assert settings.otlp_url is not None
    exporting = Exporting(OTLPSpanExporter(endpoint_of(settings.otlp_url), timeout=TIMEOUT_S), resource_of(settings, process))
    exporting.thread.start()
    atexit.register(exporting.stop)
    tracing.begin(settings.traces_sample, exporting.take)


def endpoint_of(url: str) -> str:
    """As OTLP has it: the path of traces, where none is given."""
    parts = urlsplit(url)
    return url if parts.path.strip("/") else urlunsplit(parts._replace(path=PATH))


def resource_of(settings: Settings, process: str) -> Resource:
    return Resource.create(
        {
            "service.name": f"tidings-{process}",
            "service.namespace": "tidings",
            "service.version": __version__,
            "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
            "deployment.environment.name": settings.environment,
        }
    )


class Exporting:
    def __init__(self, exporter: OTLPSpanExporter, resource: Resource) -> None:
        self.exporter = exporter
        self.resource = resource
        self.waiting: deque[Span] = deque()
        self.ending = threading.Event()
        self.is_away = False
        self.thread = threading.Thread(target=self.run, name="spans", daemon=True)

    def take(self, span: Span) -> None:
        if len(self.waiting) < MOST_WAITING:
            self.waiting.append(span)
        else:
            DROPPED.inc()

    def run(self) -> None:
        while not self.ending.wait(PAUSE_S):
            self.send_what_waits()
        self.send_what_waits()

    def send_what_waits(self) -> None:
        while self.waiting:
            batch = [self.waiting.popleft() for _ in range(min(TOGETHER, len(self.waiting)))]
            if not self.send(batch):
                return

    def send(self, batch: list[Span]) -> bool:
        try:
            is_taken = self.exporter.export([readable(span, self.resource) for span in batch]) is SpanExportResult.SUCCESS
        except Exception:  # without this thread none would leave any more
            logger.exception("{} spans could not be exported", len(batch))
            is_taken = False
        (EXPORTED if is_taken else FAILED).inc(len(batch))
        if not is_taken and not self.is_away:
            logger.warning("The collector of TIDINGS_OTLP_URL takes no spans; they are dropped until it does")
        elif is_taken and self.is_away:
            logger.info("The collector takes spans again")
        self.is_away = not is_taken
        return is_taken

    def stop(self) -> None:
        """With what waits, if the collector takes it in time."""
        tracing.end()
        self.ending.set()
        self.thread.join(ENDS_WITHIN_S)
        self.exporter.shutdown()  # type: ignore[no-untyped-call]


def readable(span: Span, resource: Resource) -> ReadableSpan:
    trace = int(span.context.trace, 16)
    return ReadableSpan(
        name=span.name,
        context=SpanContext(trace, int(span.context.span, 16), is_remote=False, trace_flags=SAMPLED),
        parent=None if span.parent is None else SpanContext(trace, int(span.parent, 16), is_remote=True, trace_flags=SAMPLED),
        resource=resource,
        attributes=span.attributes,
        kind=KINDS[span.kind],
        status=WELL if span.failure is None else Status(StatusCode.ERROR, span.failure),
        start_time=span.start_ns,
        end_time=span.end_ns,
        instrumentation_scope=SCOPE,
    )
