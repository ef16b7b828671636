"""Signed webhooks of 1 KB through the ledger, by one worker process, beside job queues that keep no ledger; and how long one takes.

Rate: 10 endpoints get each of some thousand notifications. All of it is planned while the connector is switched off; then it is switched
on, and what arrives at a receiver in another process is counted for 5 s (long: 60 s), from the first 1,000 on. Every delivery is signed
(HMAC-SHA256), leased, claimed by a row, and settled in PostgreSQL with durability on. Beside it, in turn and to the same receiver: the same
signed body by aiohttp alone, and as jobs of arq, saq, taskiq and BullMQ, one job each, written to the same Valkey beforehand. In the quick
form each of them has one round.

Time: 300 notifications a second are posted, each for one endpoint. Counted is from the commit of the event to the first byte at the
receiver, by one clock.
"""

import asyncio
import math
import time
from asyncio.subprocess import Process
from collections.abc import Callable, Sequence
from typing import Any

from msgspec.structs import replace

from loadtests.accounting import cpu_s, family_of
from loadtests.client import publish
from loadtests.figures import Figure, Form, Skipped
from loadtests.ground import Running, tidings
from loadtests.measures.publish import people_of
from loadtests.peers.queues import PEERS, Sending
from loadtests.receiver import Receiver, receiver
from tidings.deliveries.connectors.halts import halt, resume

ENDPOINTS = 10
# Of each, from the lease to the settlement. With 10, a hundred in all as with the peers, their way through the planner bounds the measure:
# 1,488/s instead of 3,054 in the same hour.
AT_ONCE = 50
# More than any sender here manages in the time.
MOST_A_SECOND = 9000
WARM_UP = 1000
LATENCY_RATE = 300
TOGETHER = 100
PAYLOAD = "x" * 560
BODY = (
    '{"to":["%%"],"title":"Your export is ready","body":"1,204 rows, 3 MB.","url":"/exports/17","data":{"export":17,"payload":"'
    + PAYLOAD
    + '"}}'
)
PLANNED_WITHIN_S = 120.0
# Jobs are written one by one.
BEGINS_WITHIN_S = 120.0
ENDS_WITHIN_S = 60.0


async def measure(form: Form, report: Callable[[str], None]) -> list[Figure]:
    seconds = form.choose(5, 60)
    own: list[float] = []
    beside: dict[str, list[float]] = {name: [] for name in PEERS}
    notes: list[str] = []
    async with receiver() as hook, tidings(("sequencer", "planner"), TIDINGS_OUTBOUND_ALLOW="127.0.0.0/8") as running:
        people = list(await people_of(running))
        for _ in range(ENDPOINTS):
            await running.call("POST", "/v1/endpoints", {"url": hook.url, "events": ["notification.created"], "at_once": AT_ONCE})
        for round_ in range(form.rounds):
            rate, note = await drained(running, hook, people, seconds)
            own.append(rate)
            notes.append(note)
            report(f"round {round_ + 1}: {rate:,.0f} deliveries/s; {note}")
            if round_ == 0 or form.is_long:
                for name, run in PEERS.items():
                    await beside_it(
                        name, run(Sending(running.settings.redis_url or "", hook.url, seconds)), hook, seconds, beside[name], report
                    )
        waits = await waited(running, hook, people, form.choose(10, 60))
    report(f"at {LATENCY_RATE}/s: p50 {part(waits, 0.5):.1f}, p99 {part(waits, 0.99):.1f} ms")
    rate_figure = Figure(
        measure="deliveries",
        what="signed webhooks of 1 KB with the ledger, one worker",
        unit="1/s",
        rounds=own,
        bound="≥",
        limit=2000,
        note=notes[-1],
    )
    limits = {"aiohttp alone": 0.4, "BullMQ": 1.0}
    return [
        rate_figure,
        *(
            replace(rate_figure, what="the same, beside " + name, peer=name, beside=values, limit=limits.get(name), note="")
            for name, values in beside.items()
            if values
        ),
        Figure(
            measure="deliveries",
            what=f"commit → first byte at the receiver at {LATENCY_RATE}/s, p99",
            unit="ms",
            rounds=[part(waits, 0.99)],
            bound="≤",
            limit=150,
            note=f"p50 {part(waits, 0.5):.1f}",
        ),
    ]


def part(values: Sequence[float], share: float) -> float:
    """A percentile, in milliseconds."""
    ordered = sorted(values)
    return 1000 * ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]


# Rate


async def drained(running: Running, hook: Receiver, people: list[str], seconds: float) -> tuple[float, str]:
    """Deliveries a second, and what one costs whom."""
    system: Any = running.database.system
    async with system.acquire() as connection:
        await halt(connection, "webhook", "measuring")
    deliveries = int(seconds * MOST_A_SECOND) // (ENDPOINTS * TOGETHER) * ENDPOINTS * TOGETHER
    await post(running, people, requests=deliveries // ENDPOINTS // TOGETHER)
    await until_planned(system, deliveries)
    worker = await running.start_worker("deliveries")
    try:
        async with system.acquire() as connection:
            await resume(connection, "webhook")
        pids = {"worker": [worker.pid], "planner": [running.planner.pid], "PostgreSQL": family_of(running.postgres.pid)}
        pids["Valkey"] = [running.valkey.pid]
        before, seen = {name: cpu_s(*those) for name, those in pids.items()}, (await hook.seen()).requests
        rate = await counted(hook, worker.process, seconds)
        sent = (await hook.seen()).requests - seen
        spent = {name: 1e6 * (cpu_s(*those) - before[name]) / sent for name, those in pids.items()}
        await let_go(system, hook)
    finally:
        await worker.end()
        running.parts.remove(worker)
    return rate, "CPU each: " + ", ".join(f"{name} {value:.0f}" for name, value in spent.items()) + " µs"


async def post(running: Running, people: list[str], *, requests: int) -> None:
    headers = running.headers
    answer = await publish(
        running.api.port,
        "/v1/notifications/batch",
        BODY,
        headers,
        connections=4,
        requests=requests,
        batch='{"notifications":[**]}',
        batch_size=TOGETHER,
        targets=people,
    )
    if answer.accepted != requests:
        raise RuntimeError(f"not every publish was accepted: {answer.statuses} {answer.errors}")


async def until_planned(system: Any, deliveries: int) -> None:
    async with asyncio.timeout(PLANNED_WITHIN_S):
        while await system.fetchval("SELECT count(*) FROM deliveries WHERE state = 'pending'") < deliveries:
            await asyncio.sleep(0.1)


async def let_go(system: Any, hook: Receiver) -> None:
    """What is left would disturb the next one."""
    async with system.acquire() as connection:
        await halt(connection, "webhook", "measured")
    async with asyncio.timeout(ENDS_WITHIN_S):
        while await system.fetchval("SELECT EXISTS (SELECT FROM deliveries WHERE lease_until IS NOT NULL)"):
            await asyncio.sleep(0.1)
    wrong = await system.fetchval("SELECT count(*) FROM attempts WHERE outcome <> 'delivered'")
    seen = await hook.seen()
    if wrong or seen.requests != seen.distinct:
        raise RuntimeError(f"{wrong} attempts failed, {seen.requests - seen.distinct} came twice")
    await system.execute("UPDATE deliveries SET state = 'cancelled' WHERE state = 'pending'")
    await hook.forget()


async def counted(hook: Receiver, process: Process, seconds: float) -> float:
    """What this process sends in a second."""
    async with asyncio.timeout(BEGINS_WITHIN_S):
        while (first := await hook.seen()).requests < WARM_UP:
            if process.returncode is not None:
                raise Skipped(f"it ended with {process.returncode}")
            await asyncio.sleep(0.02)
    await asyncio.sleep(seconds)
    last = await hook.seen()
    return (last.requests - first.requests) / (last.now - first.now)


async def rate_of(hook: Receiver, peer: Any, seconds: float) -> float:
    async with peer as process:
        rate = await counted(hook, process, seconds)
    await hook.forget()
    return rate


async def beside_it(name: str, peer: Any, hook: Receiver, seconds: float, rates: list[float], report: Callable[[str], None]) -> None:
    try:
        rates.append(await rate_of(hook, peer, seconds))
        report(f"{name}: {rates[-1]:,.0f} deliveries/s")
    except Skipped as reason:
        report(f"{name}: skipped: {reason}")


# Time


async def waited(running: Running, hook: Receiver, people: list[str], seconds: float) -> list[float]:
    """Seconds, for each delivery. The first second warms up."""
    system: Any = running.database.system
    listed = await running.call("GET", "/v1/endpoints?limit=100")
    for endpoint in listed["items"][1:]:
        await running.call("DELETE", f"/v1/endpoints/{endpoint['id']}")
    async with system.acquire() as connection:
        await resume(connection, "webhook")
    await running.start_worker("deliveries")
    await asyncio.sleep(2)
    began = time.time()
    answer = await publish(
        running.api.port, "/v1/notifications", BODY, running.headers, connections=32, rate=LATENCY_RATE, seconds=seconds, targets=people
    )
    async with asyncio.timeout(ENDS_WITHIN_S):
        while (await hook.seen()).distinct < answer.accepted:
            await asyncio.sleep(0.1)
    arrivals = await hook.arrivals()
    rows = await system.fetch(
        "SELECT id::text, extract(epoch FROM accepted_at)::float FROM deliveries WHERE accepted_at > to_timestamp($1)", began + 1
    )
    return [arrivals[identity] - accepted for identity, accepted in rows]
