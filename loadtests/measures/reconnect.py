"""A storm: 5,000 streams, each of its own subscriber and all members of one topic, come back at once with 50 missed events each.

Everyone is cut off; then 49 notifications go to the topic and one to each person; then all 5,000 connect together, with their cursors.
It ends when every stream has all its 50, each once and in order, and afterwards one more is published to see that all are live. Twice:
to the process that they were on (warm), and to one that was just started (cold: tokens and memberships unknown, the hot window loaded).

Commands and statements are counted by the servers: Redis by MONITOR (what clients send; the calls inside a script are told apart),
PostgreSQL by log_statement, both for the API process and less what the same processes ask for in as many seconds of idleness.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack

from loadtests.accounting import cpu_s
from loadtests.counting import Asked, counting
from loadtests.crowd import Crowd, crowd, join, percentiles, publish, restart_api, sequenced, to_all, to_one, wrong_of
from loadtests.figures import Figure, Form
from loadtests.ground import Running, tidings

STREAMS = 5000
MISSED = 50
TOPIC = "storm"
IDLE_S = 5.0


class Storm:
    """What one of them took."""

    def __init__(self, seconds: float, cpu: float, first_ms: list[float], asked: Asked) -> None:
        self.seconds = seconds
        self.cpu_us = cpu * 1e6 / STREAMS
        self.opening_p50, self.opening_p99 = first_ms
        self.asked = asked


async def measure(form: Form, report: Callable[[str], None]) -> list[Figure]:
    rounds = form.rounds if form.is_long else 1
    warm: list[Storm] = []
    cold: list[Storm] = []
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(tidings())
        people = [f"person-{number}" for number in range(STREAMS)]
        await join(running, TOPIC, people)
        streams = await stack.enter_async_context(crowd(running, running.api.port, await running.tokens(people), STREAMS))
        await sequenced(running)
        await streams.ask(f"open {STREAMS} 256 60")
        async with counting(running) as idle:
            await asyncio.sleep(IDLE_S)
        number = own = 0
        for _ in range(rounds):
            for storms, is_cold in ((warm, False), (cold, True)):
                await streams.ask("drop")
                await miss(running, people, number)
                number, own = number + MISSED - 1, own + 1
                if is_cold:
                    await restart_api(running, running.api)
                    await streams.ask(f"port {running.api.port}")
                storms.append(await storm(running, streams, number, own))
                number += 1
                await publish(running, [to_all(TOPIC, number)])
                await streams.ask(f"until {number} {own} 20")
                report(f"{'cold' if is_cold else 'warm'}: {storms[-1].seconds:.2f} s")
        wrong = wrong_of([await streams.report()])
    if wrong:
        raise RuntimeError(f"not exact: {wrong}")
    return [*figures("warm", warm, idle), *figures("cold", cold, idle)]


async def miss(running: Running, people: list[str], number: int) -> None:
    await publish(running, [to_all(TOPIC, number + step) for step in range(1, MISSED)])
    await publish(running, [to_one(person, stream) for stream, person in enumerate(people)], together=1000)
    await sequenced(running)


async def storm(running: Running, streams: Crowd, number: int, own: int) -> Storm:
    await streams.report()
    async with counting(running) as asked:
        before = cpu_s(running.api.pid)
        took = await streams.ask(f"resume {STREAMS} {number} {own} 60")
        used = cpu_s(running.api.pid) - before
    return Storm(took["seconds"], used, percentiles([await streams.report()], "openings_ms", 0.5, 0.99), asked)


def figures(process: str, storms: list[Storm], idle: Asked) -> list[Figure]:
    def figure(what: str, unit: str, rounds: list[float], limit: float | None = None, note: str = "") -> Figure:
        return Figure(
            measure="reconnect",
            what=f"{STREAMS:,} streams back at once, {MISSED} missed each, {process} process: {what}",
            unit=unit,
            rounds=rounds,
            bound=None if limit is None else "≤",
            limit=limit,
            note=note,
        )

    asked = storms[-1].asked
    commands = [asked_for(storm.asked.commands, idle.commands, storm) for storm in storms]
    statements = [asked_for(storm.asked.statements, idle.statements, storm) for storm in storms]
    return [
        figure("all exact after", "s", [storm.seconds for storm in storms], 5),
        figure("Redis commands", "", commands, 50, f"in all {told(asked.commands)}; {asked.inside} calls inside scripts"),
        figure("SQL statements", "", statements, 100, f"in all {told(asked.statements)}"),
        figure("CPU of the API process, a stream", "µs", [storm.cpu_us for storm in storms]),
        figure("until the head of the answer, p50", "ms", [storm.opening_p50 for storm in storms]),
        figure("until the head of the answer, p99", "ms", [storm.opening_p99 for storm in storms]),
    ]


def asked_for(counts: Counter[str], idle: Counter[str], storm: Storm) -> float:
    """Without the background of as many seconds: of each kind, because a process that is busy polls less often than an idle one."""
    # The counting goes on for 0.4 s around the storm; that much is left in, to be on the safe side.
    share = storm.seconds / IDLE_S
    return sum(max(0, count - round(idle[name] * share)) for name, count in counts.items())


def told(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} × {name}" for name, count in sorted(counts.items(), key=lambda item: -item[1]))
