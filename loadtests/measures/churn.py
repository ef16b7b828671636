"""What a process keeps of streams that have gone: 10⁶ connects (quick: 20,000), as many as come together in a day, one after the other.

128 streams open and close as fast as they can, half of them with tokens that the process has seen, half with tokens that it has not
(long: more of them than it remembers). Its caches are bounded, so its memory grows until they are full: that is the warm-up. What it
grows by afterwards is measured; there must be nothing that each connect leaves behind.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

from loadtests.accounting import cpu_s, resident_bytes
from loadtests.crowd import Crowd, crowd, wrong_of
from loadtests.figures import Figure, Form
from loadtests.ground import Running, tidings

AT_A_TIME = 64
PEOPLE = 20_000
TOKENS = {False: 6_000, True: 60_000}
NEW_TOKENS_EVERY_S = 600
WARM_UP = {False: 10_000, True: 150_000}
CONNECTS = {False: 20_000, True: 1_000_000}
GROWTH_MIB = 5
AS_FAST_AS_IT_CAN = 1_000_000


async def measure(form: Form, report: Callable[[str], None]) -> list[Figure]:
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(tidings())
        new = [f"person-{number % PEOPLE}" for number in range(TOKENS[form.is_long])]
        people = (new, new[:AT_A_TIME])
        crowds = [
            await stack.enter_async_context(
                crowd(running, running.api.port, await running.tokens(some), AT_A_TIME, first_source=first, sources=8)
            )
            for some, first in zip(people, (2, 10), strict=True)
        ]
        renewing = asyncio.create_task(renew_tokens(running, crowds, people))
        stack.callback(renewing.cancel)
        await asyncio.gather(*(one.ask(f"open {AT_A_TIME} {AT_A_TIME} 30") for one in crowds))
        await asyncio.gather(*(one.ask(f"churn {AS_FAST_AS_IT_CAN}") for one in crowds))
        course = await follow(running, crowds, form, report)
        await asyncio.gather(*(one.ask("churn 0") for one in crowds))
        wrong = wrong_of(await asyncio.gather(*(one.report() for one in crowds)))
    if wrong:
        raise RuntimeError(f"streams were not held: {wrong}")
    (connects_then, bytes_then, cpu_then, time_then), *_, (connects, size, cpu, now) = course
    made = connects - connects_then

    def figure(what: str, unit: str, value: float, limit: float | None = None, note: str = "") -> Figure:
        name = f"{made:,} connects after {connects_then:,}: {what}"
        return Figure(measure="churn", what=name, unit=unit, rounds=[value], bound=None if limit is None else "≤", limit=limit, note=note)

    return [
        figure("growth of the API process", "MiB", (size - bytes_then) / 2**20, GROWTH_MIB, f"{size / 2**20:.0f} MiB in the end"),
        figure("growth a connect", "bytes", (size - bytes_then) / made),
        figure("CPU of the API process, a connect and its end", "µs", (cpu - cpu_then) * 1e6 / made),
        figure("rate", "1/s", made / (now - time_then)),
    ]


async def renew_tokens(running: Running, crowds: list[Crowd], people: Sequence[Sequence[str]]) -> None:
    while True:
        await asyncio.sleep(NEW_TOKENS_EVERY_S)
        for one, some in zip(crowds, people, strict=True):
            await one.sign_in_with(await running.tokens(some))


async def follow(running: Running, crowds: list[Crowd], form: Form, report: Callable[[str], None]) -> list[tuple[int, int, float, float]]:
    """(connects, bytes, CPU seconds, time): after the warm-up, now and then, and at the end."""
    course: list[tuple[int, int, float, float]] = []
    told = 0
    while not course or course[-1][0] < course[0][0] + CONNECTS[form.is_long]:
        await asyncio.sleep(0.5)
        connects = sum(one["connects"] for one in await asyncio.gather(*(one.report() for one in crowds)))
        size = resident_bytes(running.api.pid)
        if connects >= WARM_UP[form.is_long]:
            course.append((connects, size, cpu_s(running.api.pid), time.monotonic()))
        if connects - told >= CONNECTS[form.is_long] // 10:
            told = connects
            report(f"{connects:,} connects: {size / 2**20:.1f} MiB")
    return course
