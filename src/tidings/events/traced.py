"""What the way of a sampled event through the log took, as spans. They follow from its commit, whose context lies in its row."""

import time
from collections.abc import Iterable, Iterator
from datetime import datetime

from tidings.events.entry import LogEvent
from tidings.platform.telemetry.context import Context, context_in
from tidings.platform.telemetry.spans import Span, sampled, tracing


def commits_of(events: Iterable[LogEvent]) -> Iterator[tuple[LogEvent, Context]]:
    """Those of them whose spans are recorded here: nearly none."""
    if tracing.take is None:
        return
    for event in events:
        if event.trace is not None and (commit := sampled(context_in(event.trace))) is not None:
            yield event, commit


def sequencing(commit: Context, position: int) -> Context:
    """Of the span in which the event got its position, which causes what follows."""
    return commit.step(f"sequence {position}")


def record_sequenced(events: Iterable[LogEvent]) -> None:
    for event, commit in commits_of(events):
        record("sequence", event, sequencing(commit, event.position), commit, ns(event.accepted_at), ns(event.created_at))


def record_written(events: Iterable[LogEvent], where: str, begun_ns: int) -> None:
    """Written together, just now. where: as in `append to the live stream`."""
    ended_ns = time.time_ns()
    for event, commit in commits_of(events):
        cause = sequencing(commit, event.position)
        record(where, event, cause.child(), cause, begun_ns, ended_ns)


def record(name: str, event: LogEvent, context: Context, cause: Context, begun_ns: int, ended_ns: int) -> None:
    attributes: dict[str, str | int] = {"tidings.event": event.type, "tidings.position": event.position}
    tracing.record(Span(name=name, context=context, parent=cause.span, start_ns=begun_ns, end_ns=ended_ns, attributes=attributes))


def ns(moment: datetime) -> int:
    return int(moment.timestamp() * 1e9)
