"""Listening, and publishing to those who listen, with streams.c."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from loadtests.client.command import ClientFailed, handed, joined, lines_file, named, run


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where to listen.

    path: `%%` in it becomes the target of the stream.   own_headers, targets: a header line and a target for each stream, in turn.
    first_source: from which address on of 127.0.0.0/8 the streams come, `per_address` from each; 0 lets the kernel choose.
    """

    port: int
    path: str
    host: str = "127.0.0.1"
    headers: Mapping[str, str] = {}
    own_headers: Sequence[str] = ()
    targets: Sequence[str] = ()
    first_source: int = 1
    per_address: int = 20_000


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Where to publish: POSTs to `path`, or XADDs to `redis_key` of a packed `body` (client/template.h says what is replaced in it).

    batch: a body in which `**` becomes all events that are due at once.   publishers: connections.
    """

    port: int
    body: str | bytes
    path: str = "/"
    headers: Mapping[str, str] = {}
    batch: str | None = None
    publishers: int = 4
    payload: int = 250
    redis_key: str | None = None
    redis_field: str = "e"
    redis_window: int = 10_000
    redis_password: str | None = None
    first_position: int = 0


class Streamed(msgspec.Struct, frozen=True, kw_only=True):
    """What `streams` saw.

    open_cpu_us: of the pids, per stream, while all opened.   memory_*: of the pids, anonymous and shared; per stream since before opening.
    hold_cpu_s: of the pids, between all open and the first event.   delivered: of `expected`, without duplicates; `rate` is of these a
    second, up to the last.   cpu_*: of the pids, from the first event to the last delivery.   fewest, most: events that a stream got.
    strays: events at a stream they were not for.   garbled: payloads cut short.   closed: streams that ended.   refused: publishes.
    Percentiles are of deliveries, from the clock in the payload: when the event was made, or at a rate, when it was due.
    """

    streams: int
    opened_s: float
    open_cpu_us: float
    memory_before_kib: int
    memory_open_kib: int
    memory_per_stream_kib: float
    hold_cpu_s: float
    events: int
    expected: int
    delivered: int
    seconds: float
    rate: float
    cpu_s: float
    cpu_us_per_delivery: float
    cpu_each_s: list[float]
    fewest: int
    most: int
    duplicates: int
    strays: int
    garbled: int
    closed: int
    refused: int
    requests: int
    reads: int
    received_bytes: int
    client_cpu_s: float
    memory_end_kib: int
    p50_us: int
    p90_us: int
    p99_us: int
    p999_us: int
    max_us: int

    @property
    def is_exact(self) -> bool:
        """All came, nothing twice, nothing to anybody else."""
        return self.delivered == self.expected and not (self.duplicates or self.strays or self.garbled or self.closed or self.refused)


async def streams(
    source: Source,
    count: int,
    target: Target | None = None,
    *,
    events: int = 0,
    burst: int = 1,
    window: int = 0,
    rate: float = 0,
    awaits: bool = False,
    unicast: bool = False,
    checks: bool = True,
    must_be_exact: bool = True,
    hold_s: float = 0,
    settle_s: float = 0.5,
    in_flight: int = 64,
    pids: Sequence[int] = (),
    bound_s: float = 60,
    on_open: Callable[[], None] | None = None,
) -> Streamed:
    """Open `count` streams; then publish `events`, the next `burst` when all before have arrived, or at most `window` under way, or `rate`
    a second; or wait for events that others publish (`awaits`); or, without events, only hold the streams.

    unicast: each event is for one random stream, named by its target.   checks: event by event, exactly once.   must_be_exact: raises
    ClientFailed otherwise.   in_flight: streams opened at once.   pids: whose costs are counted.   bound_s: of opening, and of the events.
    """
    options: dict[str, Any] = {
        "port": source.port,
        "path": source.path,
        "host": source.host,
        "header": named(source.headers),
        "count": count,
    }
    options |= {
        "first-source": source.first_source or None,
        "per-address": source.per_address,
        "in-flight": in_flight,
        "pids": joined(pids),
    }
    options |= {"settle": settle_s, "hold": hold_s, "bound": bound_s, "check": checks, "unicast": unicast, "await": awaits}
    options |= {"events": events or None, "burst": burst, "window": window or None, "rate": rate or None}
    with (
        lines_file(source.own_headers) as own_headers,
        lines_file(source.targets) as targets,
        handed(packed(target)) as body,
    ):
        options |= {"own-headers": own_headers, "targets": targets, "body-file": body} | (of_target(target) if target else {})
        seen = await run("streams", options, 2 * bound_s + hold_s + settle_s, Streamed, on_open)
    if events and must_be_exact and not seen.is_exact:
        raise ClientFailed(f"not every stream got every event exactly once: {seen}")
    return seen


def of_target(target: Target) -> dict[str, Any]:
    options: dict[str, Any] = {"to-port": target.port, "to-path": target.path, "to-header": named(target.headers), "batch": target.batch}
    options |= {
        "publishers": target.publishers,
        "payload": target.payload,
        "redis-key": target.redis_key,
        "redis-field": target.redis_field,
    }
    return options | {
        "redis-window": target.redis_window,
        "redis-password": target.redis_password,
        "first-position": target.first_position,
    }


def packed(target: Target | None) -> bytes:
    if target is None:
        return b""
    return target.body if isinstance(target.body, bytes) else target.body.encode()
