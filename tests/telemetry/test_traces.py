"""Traces across processes, held to a real collector."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from connectors.telling import event as delivery_of
from msgspec.structs import replace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from prometheus_client import REGISTRY
from running import until

from telemetry.collector import Taken, collecting
from telemetry.conftest import Telling
from tidings.deliveries.ledger.outcome import Outcome
from tidings.deliveries.sending.traced import carrying, record_attempt
from tidings.events.entry import LogEvent, pack, unpack
from tidings.platform.embedded.memory import free_port
from tidings.platform.telemetry.context import Context, context_in, new_context
from tidings.platform.telemetry.otlp import MOST_WAITING, Exporting, resource_of
from tidings.platform.telemetry.spans import Span, tracing
from tidings.settings import Settings

NAMED: dict[str, Any] = {"X-Request-Id": "order-17"}
CALLER = "b7ad6b7169203331"
STEPS = ("POST /v1/notifications", "commit", "sequence", "append to the live stream", "write to the open streams")


def traceparent(trace: str, flags: str = "01") -> str:
    return f"00-{trace}-{CALLER}-{flags}"


def only(spans: list[Taken]) -> Taken:
    [span] = spans
    return span


async def test_one_trace_leads_from_the_caller_by_the_log_to_the_streams_and_to_each_attempt(telling: Telling) -> None:
    trace = new_context(True).trace
    project = await telling.new_project()
    await telling.endpoint(project, "/traced", schedule=[1])
    telling.receiver.answer_in_turn(500, path="/traced")
    await project.call("POST", "/v1/notifications", {"to": ["alice"], "title": "Traced"}, traceparent=traceparent(trace), **NAMED)
    hooks = await telling.receiver.until_got(2, "/traced")
    spans = await telling.collector.trace(trace, *STEPS, "attempt webhook", "delivery")

    served, commit, sequence, appended, written = (only(spans[name]) for name in STEPS)
    delivery, attempts = only(spans["delivery"]), sorted(spans["attempt webhook"], key=lambda span: span.attributes["tidings.attempt"])
    assert served.parent == CALLER
    assert (commit.parent, sequence.parent) == (served.id, commit.id)
    assert {appended.parent, written.parent, delivery.parent} == {sequence.id}
    assert [attempt.parent for attempt in attempts] == [delivery.id] * 2
    assert [hook.headers["traceparent"] for hook in hooks] == [f"00-{trace}-{attempt.id}-01" for attempt in attempts]
    assert [attempt.is_failure for attempt in attempts] == [True, False]
    assert served.attributes["tidings.request"] == "order-17"
    assert served.attributes["tidings.project"] == project.key
    assert delivery.attributes["tidings.delivery"] == hooks[0].id
    by_service = {span.service for spans_of in spans.values() for span in spans_of}
    assert by_service == {"tidings-api", "tidings-sequencer", "tidings-deliveries"}
    assert served.resource["service.version"] and served.resource["deployment.environment.name"] == "tests"


async def test_every_way_of_publishing_and_every_other_change_carries_the_trace(telling: Telling) -> None:
    project = await telling.new_project()
    await project.call("PUT", "/v1/topics/news", {"name": "News"})
    wanted: dict[str, tuple[str, Any, dict[str, Any]]] = {
        "topical": ("/v1/notifications", {"to": [{"topic": "news"}], "title": "x"}, {}),
        "batch": ("/v1/notifications/batch", {"notifications": [{"to": ["alice"], "title": "x"}] * 2}, {}),
        "general": ("/v1/notifications", {"to": ["alice"], "title": "x", "collapse_key": "one"}, {"Idempotency-Key": "traced"}),
        "framework": ("/v1/topics/news/subscribers", {"add": ["alice"]}, {}),
    }
    traces = {what: new_context(True).trace for what in wanted}
    for what, (path, body, headers) in wanted.items():
        method = "PUT" if what == "framework" else "POST"
        await project.call(method, path, body, traceparent=traceparent(traces[what]), **headers)
    for what, trace in traces.items():
        spans = await telling.collector.trace(trace, "sequence", "append to the live stream", "write to the open streams")
        assert len({span.id for span in spans["sequence"]}) == (2 if what == "batch" else 1), what


async def test_what_its_caller_does_not_sample_is_neither_told_nor_sent_on(telling: Telling) -> None:
    trace, seen = new_context(False).trace, new_context(True).trace
    project = await telling.new_project()
    await telling.endpoint(project, "/plain")
    for of, flags in ((trace, "00"), (seen, "01")):
        await project.call("POST", "/v1/notifications", {"to": ["alice"], "title": "Plain"}, traceparent=traceparent(of, flags))
    first, second = await telling.receiver.until_got(2, "/plain")
    assert {"traceparent" in first.headers, "traceparent" in second.headers} == {False, True}
    await telling.collector.trace(seen, *STEPS)
    assert trace not in telling.collector.printed


def test_a_trace_goes_out_with_its_attempt_where_it_is_recorded_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the process that took the request has a collector, and the worker has none."""
    delivery, spans = delivery_of("notification.created", {}, trace=traceparent("a" * 32)), list[Span]()
    assert tracing.take is None
    assert carrying(delivery).trace is None
    monkeypatch.setattr(tracing, "take", spans.append)
    carried = carrying(delivery)
    record_attempt(delivery, carried, "webhook", Outcome(kind="delivered", reason="http_200"), 0)
    assert [span.context.header for span in spans] == [carried.trace]
    assert carrying(replace(delivery, trace=None)).trace is None


@pytest.mark.parametrize(
    "header",
    [
        *(None, "", "x", "00-" + "0" * 32 + "-" + CALLER + "-01", "00-" + "a" * 32 + "-" + "0" * 16 + "-01"),
        *("ff-" + "a" * 32 + "-" + CALLER + "-01", "00-" + "a" * 32 + "-" + CALLER + "-01-more", "00-" + "A" * 32 + "-" + CALLER + "-01"),
    ],
)
def test_what_is_no_traceparent_begins_a_trace(header: str | None) -> None:
    assert context_in(header) is None


def test_a_traceparent_of_a_later_version_is_read_as_far_as_it_is_known() -> None:
    assert context_in("cc-" + "a" * 32 + "-" + CALLER + "-09-more") == Context("a" * 32, CALLER, True)


def test_events_are_read_by_versions_that_know_no_traces_and_from_them() -> None:
    now = datetime.now(UTC)
    event = LogEvent(7, 1, "notification.created", None, [1], None, False, "{}", None, "key:a", now, now, traceparent("a" * 32))
    older = msgspec.msgpack.encode(msgspec.msgpack.decode(pack(event))[:-1])
    assert unpack(pack(event)) == event
    assert unpack(older) == replace(event, trace=None)
    Older = msgspec.defstruct("Older", [(f"m{index}", Any) for index in range(12)], array_like=True)
    assert msgspec.msgpack.decode(pack(event), type=Older).m0 == 7  # type: ignore[attr-defined]


def a_span() -> Span:
    return Span(name="step", context=new_context(True), parent=None, start_ns=1, end_ns=2)


@asynccontextmanager
async def exporting(url: str) -> AsyncIterator[Exporting]:
    one = Exporting(OTLPSpanExporter(f"{url}/v1/traces", timeout=0.5), resource_of(Settings(otlp_url=url), "tests"))
    one.thread.start()
    yield one
    await asyncio.to_thread(one.stop)


def count(outcome: str) -> float:
    return REGISTRY.get_sample_value("tidings_spans_total", {"outcome": outcome}) or 0


async def test_what_a_hanging_collector_does_not_take_is_dropped_and_counted() -> None:
    over = asyncio.Event()

    async def hang(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    dropped = count("dropped")
    async with exporting(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as away:
        for _ in range(3 * MOST_WAITING):
            away.take(a_span())
        assert len(away.waiting) <= MOST_WAITING
        assert count("dropped") - dropped >= MOST_WAITING
        over.set()
        server.close()


async def test_spans_go_out_again_when_the_collector_is_back(tmp_path: Path) -> None:
    port, failed = free_port(), count("failed")
    async with exporting(f"http://127.0.0.1:{port}") as back:
        back.take(a_span())

        async def has_failed() -> bool:
            return count("failed") > failed

        await until(has_failed, 20, "it was tried")
        async with collecting(tmp_path, port) as collector:
            later = a_span()
            back.take(later)
            await collector.trace(later.context.trace, "step")
