"""What the processes of one colour counted while they were watched, read from their /metrics again and again.

Counters only rise, and begin at 0 with their process: one that fell counts from there.
"""

import http.client
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec
from prometheus_client.parser import text_string_to_metric_families

TIMEOUT_S = 3.0
# A process that misses one look was busy; one that misses so many is gone.
MISSES = 3
LATE_S = 1.0
REFUSED = ("401", "403")


class Sample(NamedTuple):
    """What a process showed at one moment. streams: open ones."""

    counters: Mapping[str, float]
    streams: float


class Figures(msgspec.Struct, frozen=True):
    """late_writes: to streams, more than LATE_S after their commit.   stream_minutes: open streams, times how long.

    refused: with 401 or 403.   ended_streams: whoever ended them.   failures: that nobody foresaw.   missing: processes that do not answer.
    """

    minutes: float = 0.0
    requests: float = 0.0
    server_errors: float = 0.0
    refused: float = 0.0
    writes: float = 0.0
    late_writes: float = 0.0
    stream_minutes: float = 0.0
    ended_streams: float = 0.0
    attempts: float = 0.0
    failed_attempts: float = 0.0
    failures: float = 0.0
    missing: tuple[str, ...] = ()


class Watched:
    """A colour under observation, from its first `look` on."""

    def __init__(self, addresses: Sequence[str], clock: Callable[[], float]) -> None:
        self.clock = clock
        self.last: dict[str, Sample | None] = dict.fromkeys(addresses)
        self.misses: dict[str, int] = dict.fromkeys(addresses, 0)
        self.totals: defaultdict[str, float] = defaultdict(float)
        self.began_at = self.looked_at = clock()

    def look(self) -> Figures:
        """Once more; what came to pass since the first time."""
        now = self.clock()
        for address in self.last:
            self.add(address, (now - self.looked_at) / 60)
        self.looked_at = now
        missing = tuple(address for address, misses in self.misses.items() if misses >= MISSES)
        return Figures(**self.totals, minutes=(now - self.began_at) / 60, missing=missing)

    def add(self, address: str, minutes: float) -> None:
        text = metrics_of(address)
        if text is None:
            self.misses[address] += 1
            return
        self.misses[address] = 0
        sample, before = sample_of(text), self.last[address]
        self.last[address] = sample
        # What was counted before the first look belongs to other times.
        if before is not None:
            self.totals["stream_minutes"] += sample.streams * minutes
            for name, value in grown(before, sample):
                self.totals[name] += value


def grown(before: Sample, after: Sample) -> Iterator[tuple[str, float]]:
    """By how much each figure grew. The streams that ended are those that were opened and are not open."""
    if any(after.counters.get(name, 0.0) < value for name, value in before.counters.items()):
        before = Sample({}, 0.0)
    for name, value in after.counters.items():
        rise = value - before.counters.get(name, 0.0)
        if name != "opened":
            yield name, rise
        elif (ended := rise - (after.streams - before.streams)) > 0:
            yield "ended_streams", ended


def sample_of(text: str) -> Sample:
    counters: defaultdict[str, float] = defaultdict(float)
    streams = 0.0
    for family in text_string_to_metric_families(text):
        for name, labels, value, *_ in family.samples:
            if name == "tidings_streams":
                streams = value
            for figure, sign in counted_as(name, labels):
                counters[figure] += sign * value
    return Sample(counters, streams)


def counted_as(name: str, labels: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """The figures that a series of Tidings belongs to, with the sign it has there."""
    match name:
        case "tidings_requests_total":
            yield "requests", 1
            if labels["status"].startswith("5"):
                yield "server_errors", 1
            elif labels["status"] in REFUSED:
                yield "refused", 1
        case "tidings_stream_lag_seconds_count":
            yield "writes", 1
            yield "late_writes", 1
        case "tidings_stream_lag_seconds_bucket" if float(labels["le"]) == LATE_S:
            yield "late_writes", -1
        case "tidings_streams_opened_total":
            yield "opened", 1
        case "tidings_delivery_attempts_total":
            yield "attempts", 1
            if labels["outcome"] != "delivered":
                yield "failed_attempts", 1
        case "tidings_errors_total":
            yield "failures", 1


def metrics_of(address: str) -> str | None:
    status, text = fetched(address, "/metrics")
    return text if status == 200 else None


def fetched(address: str, path: str) -> tuple[int, str]:
    """Status and text; 0 when nobody answers. address: as in `127.0.0.1:8000`."""
    connection = http.client.HTTPConnection(address, timeout=TIMEOUT_S)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return 0, ""
    finally:
        connection.close()


def version_in(text: str) -> str | None:
    found = re.search(r'^tidings_build_info\{.*version="([^"]*)"', text, re.MULTILINE)
    return found[1] if found else None
