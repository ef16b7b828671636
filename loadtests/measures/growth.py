"""What publishing costs when much is stored, and what a delivery costs when many listen: both are to stay what they were.

Stored: two grounds side by side, one with 1,000 stored notifications and one with 300,000 (the long form: 10,000,000), each with its
inbox item and its event, to the same number of people. By turns, publishes to these people at a fixed rate. Counted is the CPU of the API
process and of all of PostgreSQL, its background work included. Everyone gets one notification first: after a checkpoint PostgreSQL logs
every page whole that it touches for the first time, and that is over once every inbox has been touched.

Streams: one topic of 10,000 members, on one API process. The same events go to 1, to 100 and to 10,000 open streams of members. Counted is
the CPU of the API process; what an event costs with one stream (accepting it, following the log) is told apart and taken off.
"""

from collections.abc import Callable
from statistics import median

from loadtests.accounting import cpu_s, family_of
from loadtests.audience import Audience, audience_of
from loadtests.client import Published, publish, streams
from loadtests.figures import Figure, Form
from loadtests.ground import Running, tidings
from loadtests.seed import notifications, people, seeding

FEW, MANY, VERY_MANY = 1_000, 300_000, 10_000_000
PEOPLE = 10_000
RATE = 150.0
CONNECTIONS = 16
BATCH = 1000

STREAMS = 10_000
SOME = 100
# Events, so that each turn takes about a second.
EVENTS = {1: 200, SOME: 200, STREAMS: 10}


async def measure(form: Form, report: Callable[[str], None]) -> list[Figure]:
    return [*await of_stored(form, report), *await of_streams(form, report)]


async def of_stored(form: Form, report: Callable[[str], None]) -> list[Figure]:
    many, seconds = int(form.choose(MANY, VERY_MANY)), form.choose(2, 20)
    small: list[Turn] = []
    large: list[Turn] = []
    async with tidings(workers=(), api=False) as young, tidings(workers=(), api=False) as old:
        for running, stored in ((young, FEW), (old, many)):
            await bring_up(running, stored)
            report(f"{stored:,} stored")
        for _ in range(form.rounds):
            small.append(await turn(young, seconds))
            large.append(await turn(old, seconds))
            report(f"{small[-1]} → {large[-1]}")
    what = f"publish, {many:,} stored"
    beside = f"{FEW:,} stored"
    return [
        Figure(measure="growth", what=f"{what}: CPU of API and PostgreSQL", unit="µs", rounds=[one.cpu_us for one in large],
               peer=beside, beside=[one.cpu_us for one in small], bound="≤", limit=1.5),
        Figure(measure="growth", what=f"{what}: p50", unit="ms", rounds=[one.p50_ms for one in large],
               peer=beside, beside=[one.p50_ms for one in small], bound="≤", limit=1.5),
    ]  # fmt: skip


class Turn:
    """One load on one ground."""

    def __init__(self, seen: Published, cpu: float) -> None:
        self.cpu_us = cpu * 1e6 / seen.accepted
        self.p50_ms = seen.p50_us / 1000

    def __str__(self) -> str:
        return f"{self.cpu_us:,.0f} µs, p50 {self.p50_ms:.1f} ms"


async def bring_up(running: Running, stored: int) -> None:
    async with seeding(running) as connection:
        await notifications(connection, running, await people(connection, running, PEOPLE), stored)
    await running.start_worker("sequencer")
    await running.start_api()
    names = [f"person-{number}" for number in range(1, PEOPLE + 1)]
    for start in range(0, PEOPLE, BATCH):
        each = [{"to": [name], "title": "Welcome"} for name in names[start : start + BATCH]]
        await running.call("POST", "/v1/notifications/batch", {"notifications": each})


async def turn(running: Running, seconds: float) -> Turn:
    before = cpu_s(running.api.pid, *family_of(running.postgres.pid))
    seen = await publish(
        running.api.port,
        "/v1/notifications",
        '{"to":["%%"],"title":"Your export is ready","body":"1,204 rows, 3 MB.","category":"exports"}',
        running.headers,
        connections=CONNECTIONS,
        seconds=seconds,
        rate=RATE,
        targets=[f"person-{1 + 7919 * number % PEOPLE}" for number in range(PEOPLE)],
    )
    return Turn(seen, cpu_s(running.api.pid, *family_of(running.postgres.pid)) - before)


async def of_streams(form: Form, report: Callable[[str], None]) -> list[Figure]:
    event: list[float] = []
    some: list[float] = []
    all_: list[float] = []
    async with tidings() as running:
        audience = await audience_of(running, STREAMS, "growing")
        for _ in range(int(form.choose(2, form.rounds))):
            event.append(await cost(running, audience, 1))
            some.append(await cost(running, audience, SOME, median(event)))
            all_.append(await cost(running, audience, STREAMS, median(event)))
            report(f"{some[-1]:.2f} µs a delivery at {SOME} streams, {all_[-1]:.2f} at {STREAMS:,}; {event[-1]:,.0f} µs an event")
    return [
        Figure(measure="growth", what=f"{STREAMS:,} streams, CPU for a delivery", unit="µs", rounds=all_, peer=f"{SOME} streams",
               beside=some, bound="≤", limit=1.5, note="without what each event costs"),
        Figure(measure="growth", what="an event to one stream of a topic of 10,000, CPU of the API process", unit="µs", rounds=event),
    ]  # fmt: skip


async def cost(running: Running, audience: Audience, count: int, of_event_us: float = 0) -> float:
    """CPU of the API process for a delivery, µs, less what each event costs."""
    api, events = running.api, EVENTS[count]
    source = Audience(audience.subscribers[:count], audience.headers[:count], audience.topic).source(api.port)
    seen = await streams(source, count, audience.target(running, api.port), events=events, pids=[api.pid])
    return seen.cpu_us_per_delivery - of_event_us / count
