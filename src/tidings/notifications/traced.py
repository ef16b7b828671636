"""A publish's commit as a span of its request's trace. Its context lies in the rows that it writes, for whoever carries them on."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from tidings.platform.telemetry.belonging import belonging
from tidings.platform.telemetry.context import Context
from tidings.platform.telemetry.spans import Span, sampled, tracing


def commit_context() -> Context | None:
    """Of the request under way; None where it is not sampled."""
    about = belonging()
    context = sampled(about.context) if about is not None else None
    return None if context is None else context.step("commit")


@contextmanager
def recorded_commit(context: Context, notifications: int) -> Iterator[None]:
    """From joining those that commit together to the commit."""
    about, begun_ns, failure = belonging(), time.time_ns(), None
    try:
        yield
    except Exception as error:
        failure = type(error).__name__
        raise
    finally:
        tracing.record(
            Span(
                name="commit",
                context=context,
                parent=about.context.span if about is not None and about.context is not None else None,
                start_ns=begun_ns,
                end_ns=time.time_ns(),
                attributes={"tidings.notifications": notifications},
                failure=failure,
            )
        )
