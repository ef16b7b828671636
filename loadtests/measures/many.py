"""Very many live streams: 100,000 (quick: 12,000), each of its own subscriber and all members of one topic, on as many processes as the
limit of descriptors asks for (20,000 each here), from several loopback addresses.

First nothing happens (what they cost when idle); then, for a minute (quick: 8 s), 1 % of them close and reopen with their cursors each
second, while a notification goes to the topic every few seconds. Every stream must get every one, once and in order, churned or not.
Latency is from before the POST to the read on the stream, of all streams together. The topic's inbox rows are written meanwhile.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import asyncpg

from loadtests.accounting import cpu_s, resident_bytes
from loadtests.crowd import Crowd, crowd, join, percentiles, publish, sequenced, to_all, wrong_of
from loadtests.figures import Figure, Form
from loadtests.ground import Part, Running, tidings

TOPIC = "everyone-there"
PER_PROCESS = 18_000
IDLE_S = 5.0
BROADCASTS = {False: 3, True: 10}
EVERY_S = {False: 2.5, True: 6.0}
CHURN = 0.01
OPENING_AT_A_TIME = 128


class House:
    """Processes with their crowds."""

    def __init__(self, running: Running, processes: list[Part], crowds: list[Crowd]) -> None:
        self.running = running
        self.processes = processes
        self.crowds = crowds

    @property
    def streams(self) -> int:
        return sum(one.streams for one in self.crowds)

    async def ask_all(self, command: str) -> list[dict[str, Any]]:
        return list(await asyncio.gather(*(one.ask(command) for one in self.crowds)))

    def cpu(self) -> float:
        return cpu_s(*(process.pid for process in self.processes))

    def memory(self) -> int:
        return sum(resident_bytes(process.pid) for process in self.processes)


async def measure(form: Form, report: Callable[[str], None]) -> list[Figure]:
    streams = int(form.choose(12_000, 100_000))
    count = max(2, -(-streams // PER_PROCESS))
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(tidings(("sequencer", "projections"), TIDINGS_STREAMS_PER_PROJECT="1000000"))
        people = [f"person-{number}" for number in range(streams)]
        await join(running, TOPIC, people)
        await sequenced(running)
        await analyze(running)
        report(f"{streams:,} people are members of the topic")
        tokens = await running.tokens(people)
        processes = [await running.start_api(f"streams-{number}", role="stream") for number in range(count)]
        crowds = [
            await stack.enter_async_context(crowd(running, process.port, share, len(share), first_source=2 + 4 * number, sources=4))
            for number, process in enumerate(processes)
            for share in [tokens[number::count]]
        ]
        house = House(running, processes, crowds)
        before, began = house.memory(), time.monotonic()
        await house.ask_all(f"open {PER_PROCESS * 2} {OPENING_AT_A_TIME} 300")
        opened_s = time.monotonic() - began
        report(f"all are open after {opened_s:.0f} s")
        await asyncio.sleep(2)
        per_stream = (house.memory() - before) / streams
        idle_cpu = await cpu_share(house, IDLE_S)
        await asyncio.gather(*(one.report() for one in crowds))
        report("idle is measured; now churn and broadcasts")
        await asyncio.gather(*(one.ask(f"churn {CHURN * one.streams}") for one in crowds))
        churn_began, cpu_before = time.monotonic(), house.cpu()
        slowest = await broadcasts(house, form, report)
        churn_s = time.monotonic() - churn_began
        churn_cpu = (house.cpu() - cpu_before) / churn_s
        churned = sum(int(answer["churned"]) for answer in await house.ask_all("churn 0"))
        await asyncio.sleep(1)
        reports = await asyncio.gather(*(one.report() for one in crowds))
        memory, sockets = house.memory(), kernel_memory()
    wrong = wrong_of(reports)
    if wrong or sum(one["open"] for one in reports) != streams:
        raise RuntimeError(f"not held: {wrong}, {[one['open'] for one in reports]} open")
    p50, p99, longest = percentiles(reports, "deliveries_ms", 0.5, 0.99, 1.0)
    reopened = percentiles(reports, "openings_ms", 0.5, 0.99)

    def figure(what: str, unit: str, value: float, limit: float | None = None, note: str = "") -> Figure:
        return Figure(
            measure="many",
            what=f"{streams:,} live streams on {count} processes: {what}",
            unit=unit,
            rounds=[value],
            bound=None if limit is None else "≤",
            limit=limit,
            note=note,
        )

    number = BROADCASTS[form.is_long]
    return [
        figure("a broadcast has reached all after", "s", slowest, 3, f"the slowest of {number}, under churn; to each once, in order"),
        figure("broadcast latency, p50", "ms", p50),
        figure("broadcast latency, p99", "ms", p99),
        figure("broadcast latency, longest", "ms", longest),
        figure("memory, a stream", "KiB", per_stream / 1024, 4),
        figure("memory, all processes of streams after the churn", "MiB", memory / 2**20, note=sockets),
        figure("CPU of all processes, idle", "cores", idle_cpu),
        figure("CPU of all processes, 1 % churn a second and broadcasts", "cores", churn_cpu, note=f"{churned / churn_s:,.0f} reopened/s"),
        figure("reopening under churn, p50", "ms", reopened[0]),
        figure("reopening under churn, p99", "ms", reopened[1]),
        figure("opening all", "s", opened_s),
    ]


async def analyze(running: Running) -> None:
    """As autovacuum does within a minute. Before, PostgreSQL looks a name up by reading the whole project: 50 ms with 100,000 people."""
    connection = await asyncpg.connect(running.settings.database_url)
    try:
        await connection.execute("ANALYZE")
    finally:
        await connection.close()


async def cpu_share(house: House, seconds: float) -> float:
    before, began = house.cpu(), time.monotonic()
    await asyncio.sleep(seconds)
    return (house.cpu() - before) / (time.monotonic() - began)


async def broadcasts(house: House, form: Form, report: Callable[[str], None]) -> float:
    """The seconds of the slowest, from before its POST until the last stream has it."""
    slowest = 0.0
    for number in range(1, BROADCASTS[form.is_long] + 1):
        began = time.monotonic()
        await publish(house.running, [to_all(TOPIC, number)])
        await house.ask_all(f"until {number} 0 60")
        took = time.monotonic() - began
        slowest = max(slowest, took)
        report(f"broadcast {number}: {took:.2f} s")
        await asyncio.sleep(max(0.0, EVERY_S[form.is_long] - took))
    return slowest


def kernel_memory() -> str:
    """What the kernel holds for sockets of both sides."""
    for line in Path("/proc/net/sockstat").read_text().splitlines():
        if line.startswith("TCP:"):
            return line
    return ""
