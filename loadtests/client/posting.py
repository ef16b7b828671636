"""Posting with publish.c."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from loadtests.client.command import joined, lines_file, named, run


class RetryAfter(msgspec.Struct, frozen=True):
    count: int
    shortest_s: int
    longest_s: int


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """What `publish` saw.

    sent: requests; events: notifications in them.   lost: connections that ended under a request.   accepted: answered with a 2xx, and
    `rate` is of these a second; so are the percentiles.   cpu_s: of the pids that were named.   errors: the first bodies of other answers.
    """

    sent: int
    answered: int
    lost: int
    events: int
    seconds: float
    statuses: dict[str, int]
    accepted: int
    rate: float
    cpu_s: float
    retry_after: RetryAfter | None
    errors: list[str]
    p50_us: int
    p90_us: int
    p99_us: int
    p999_us: int
    max_us: int


async def publish(
    port: int,
    path: str,
    body: str,
    headers: Mapping[str, str],
    *,
    connections: int = 64,
    requests: int = 0,
    seconds: float = 0,
    rate: float = 0,
    payload: int = 250,
    batch: str | None = None,
    batch_size: int = 1,
    targets: Sequence[str] = (),
    pids: Sequence[int] = (),
    bound_s: float = 60,
    pause_refused: bool = False,
    host: str = "127.0.0.1",
) -> Published:
    """Post as fast as `connections` carry it, or `rate` requests a second, until `requests` are sent or `seconds` have passed.

    body: a template, in which `@@` becomes a payload of `payload` bytes that `streams` counts and times, `##` the number of the event and
    `%%` its target, in turn of `targets`.   batch: a template of a whole body, in which `**` becomes `batch_size` bodies.
    Percentiles at a rate count from when a request was due.   bound_s: the end in any case.
    """
    options: dict[str, Any] = {"host": host, "port": port, "path": path, "body": body, "payload": payload, "bound": bound_s}
    options |= {"requests": requests or None, "seconds": seconds or None, "rate": rate or None, "connections": connections}
    options |= {"batch": batch, "batch-size": batch_size, "pids": joined(pids), "pause-refused": pause_refused}
    options["header"] = named(headers)
    with lines_file(targets) as file:
        return await run("publish", options | {"targets": file}, bound_s, Published)
