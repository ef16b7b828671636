"""A delivery and its attempts as spans: the delivery from its event's acceptance to its end, the attempts below it.

The delivery's id of a span follows from the event's and its own, so that each of its attempts knows it, whichever worker makes it.
"""

import time
from collections.abc import Iterable

from msgspec.structs import replace

from tidings.deliveries.ledger.claim import AttemptKey, Claimed
from tidings.deliveries.ledger.outcome import Outcome
from tidings.deliveries.ledger.settle import Result
from tidings.events.traced import ns, sequencing
from tidings.platform.telemetry.context import Context, context_in
from tidings.platform.telemetry.spans import Span, sampled, tracing


def span_of(delivery: Claimed) -> Context | None:
    """None where its trace is not recorded here."""
    commit = sampled(context_in(delivery.trace))
    return None if commit is None else sequencing(commit, delivery.position).step(f"delivery {delivery.id}")


def carrying(delivery: Claimed) -> Claimed:
    """As its attempt sees it: `trace` is the attempt's own, which goes out with what is sent; None where it is not recorded here."""
    span = span_of(delivery)
    return replace(delivery, trace=None if span is None else span.child().header)


def record_attempt(delivery: Claimed, carried: Claimed, connector: str | None, outcome: Outcome, begun_ns: int) -> None:
    """carried: as `carrying` made it."""
    cause, context = span_of(delivery), context_in(carried.trace)
    if cause is None or context is None:
        return
    attributes = described(delivery) | {
        "tidings.attempt": delivery.number,
        "tidings.outcome": outcome.kind,
        "tidings.reason": outcome.reason,
    }
    if connector is not None:
        attributes["tidings.connector"] = connector
    if outcome.status is not None:
        attributes["http.response.status_code"] = outcome.status
    tracing.record(
        Span(
            name=f"attempt {connector or ''}".strip(),
            context=context,
            parent=cause.span,
            start_ns=begun_ns,
            end_ns=time.time_ns(),
            kind="client",
            attributes=attributes,
            failure=None if outcome.kind == "delivered" else outcome.reason,
        )
    )


def record_ended(results: Iterable[Result], written: set[AttemptKey]) -> None:
    """Deliveries that have come to their end. written: those whose end was written down."""
    if tracing.take is None:
        return
    for result in results:
        delivery, commit = result.of, sampled(context_in(result.of.trace))
        if commit is None or result.next.state == "pending" or delivery.key not in written:
            continue
        cause = sequencing(commit, delivery.position)
        tracing.record(
            Span(
                name="delivery",
                context=cause.step(f"delivery {delivery.id}"),
                parent=cause.span,
                start_ns=ns(delivery.accepted_at),
                end_ns=ns(result.ended_at),
                kind="consumer",
                attributes=described(delivery) | {"tidings.attempts": delivery.number, "tidings.state": result.next.state},
                failure=None if result.next.state == "delivered" else result.outcome.reason,
            )
        )


def described(delivery: Claimed) -> dict[str, str | int]:
    return {"tidings.delivery": delivery.id, "tidings.event": delivery.type}
