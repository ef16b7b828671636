"""Batch publishes: 100 notifications a call, each to one person.

A burst: 16 clients post as fast as they are answered, for 10 seconds; the sequencer runs beside them, and its backlog may grow up to its
default bound, beyond which calls are refused and not counted. Sustained, end to end: for as long again (long: 60 s), counted from the
first post until the API process that serves the streams has passed the last event, after its position, the log and the Redis Stream of
its shard.
"""

import asyncio
import time
from collections.abc import Callable

import aiohttp

from loadtests.accounting import cpu_s, family_of
from loadtests.client import Published, publish
from loadtests.figures import Figure, Form
from loadtests.ground import Running, tidings
from loadtests.measures.publish import BODY, people_of

CLIENTS = 16
TOGETHER = 100
WARM_UP_S = 2.0
BURST_S = 10.0
SEEN_WITHIN_S = 60.0
BATCH = '{"notifications":[**]}'


async def measure(form: Form, report: Callable[[str], None]) -> list[Figure]:
    bursts: list[float] = []
    cpu: list[float] = []
    refused = 0
    async with tidings() as running:
        people = list(await people_of(running))
        await posted(running, people, WARM_UP_S)
        for round_ in range(int(form.choose(1, 3))):
            await until_sequenced(running)
            answer, spent = await posted(running, people, BURST_S)
            refused += answer.answered - answer.accepted
            bursts.append(answer.accepted * TOGETHER / answer.seconds)
            cpu.append(spent / (answer.accepted * TOGETHER))
            report(f"burst {round_ + 1}: {bursts[-1]:.0f} notifications/s, {cpu[-1]:.0f} µs of all processes each, {refused} calls refused")
        await until_sequenced(running)
        sustained = await end_to_end(running, people, form.choose(10, 60))
        report(f"sustained: {sustained:.0f} notifications/s end to end")
    what = f"{TOGETHER} a call"
    note = f"{refused} calls refused for the backlog" if refused else ""
    return [
        Figure(measure="batch", what=f"{what}, accepted for 10 s", unit="1/s", rounds=bursts, bound="≥", limit=25_000, note=note),
        Figure(measure="batch", what=f"{what}, sustained end to end", unit="1/s", rounds=[sustained], bound="≥", limit=10_000),
        Figure(measure="batch", what=f"{what}, CPU of all processes", unit="µs", rounds=cpu),
    ]


async def posted(running: Running, people: list[str], seconds: float) -> tuple[Published, float]:
    """What the clients saw, and the CPU of PostgreSQL, Valkey, the API process and the sequencer, in µs."""
    pids = [*family_of(running.postgres.pid), running.valkey.pid, running.api.pid, running.sequencer.pid]
    before = cpu_s(*pids)
    answer = await publish(
        running.api.port,
        "/v1/notifications/batch",
        BODY,
        running.headers,
        connections=CLIENTS,
        seconds=seconds,
        batch=BATCH,
        batch_size=TOGETHER,
        targets=people,
        pause_refused=True,
    )
    return answer, 1e6 * (cpu_s(*pids) - before)


async def until_sequenced(running: Running) -> None:
    async with asyncio.timeout(SEEN_WITHIN_S):
        while await running.database.system.fetchval("SELECT EXISTS (SELECT FROM outbox)"):
            await asyncio.sleep(0.05)


async def end_to_end(running: Running, people: list[str], seconds: float) -> float:
    """Notifications a second, until the API process has handed the last one to whoever streams."""
    before = await head_of(running)
    began = time.perf_counter()
    answer, _ = await posted(running, people, seconds)
    accepted = answer.accepted * TOGETHER
    [token] = await running.tokens(people[:1])
    url = f"http://127.0.0.1:{running.api.port}/v1/inbox?limit=1"
    async with asyncio.timeout(SEEN_WITHIN_S), aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session:
        while True:
            async with session.get(url) as page:
                # The cursor of a page is where this process stands in the log.
                if int((await page.json())["cursor"].partition(".")[2]) >= before + accepted:
                    return accepted / (time.perf_counter() - began)
            await asyncio.sleep(0.01)


async def head_of(running: Running) -> int:
    head: int = await running.database.system.fetchval("SELECT head FROM shards WHERE shard = $1", running.tenant.shard)
    return head
