"""One endpoint that hangs among a hundred: what it costs the others.

Three notifications a second go to each of 100 endpoints, 300 deliveries a second in all. In turn all of them answer at once, and one takes
each request and says nothing until it is given up. Counted is, for the other 99, from the commit of the event to the first byte.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from loadtests.client import publish
from loadtests.figures import Figure, Form
from loadtests.ground import Running, tidings
from loadtests.measures.deliveries import BODY, part
from loadtests.measures.publish import people_of
from loadtests.receiver import Receiver, receiver
from tidings.platform.embedded.memory import free_port

ENDPOINTS = 100
RATE = 3
ENDS_WITHIN_S = 60.0
WAITS = """
SELECT d.id::text, extract(epoch FROM d.accepted_at)::float FROM deliveries d JOIN destinations t ON t.id = d.destination
WHERE d.accepted_at > to_timestamp($1) AND t.key <> $2
"""
OUT = "SELECT count(*) FROM deliveries d JOIN destinations t ON t.id = d.destination WHERE d.lease_until IS NOT NULL AND t.key = $1"


async def measure(form: Form, report: Callable[[str], None]) -> list[Figure]:
    calm: list[float] = []
    hanging: list[float] = []
    workers = ("sequencer", "planner", "deliveries")
    async with receiver() as hook, silent() as mute, tidings(workers, TIDINGS_OUTBOUND_ALLOW="127.0.0.0/8") as running:
        people = list(await people_of(running))
        endpoints = [
            await running.call("POST", "/v1/endpoints", {"url": hook.url, "events": ["notification.created"]}) for _ in range(ENDPOINTS)
        ]
        one = endpoints[ENDPOINTS // 2]["id"]
        await waited(running, hook, people, one, 3)
        for round_ in range(form.rounds):
            calm.append(part(await waited(running, hook, people, one, form.choose(10, 60)), 0.99))
            await lead(running, one, mute)
            hanging.append(part(await waited(running, hook, people, one, form.choose(10, 60)), 0.99))
            await lead(running, one, hook.url)
            await let_go(running, one)
            report(f"round {round_ + 1}: p99 {calm[-1]:.1f} ms while all answer, {hanging[-1]:.1f} while one hangs")
    what = "one endpoint hangs among 100: the others' p99, commit → first byte"
    return [Figure(measure="hanging", what=what, unit="ms", rounds=hanging, peer="all answer", beside=calm, bound="≤", limit=1.2)]


@asynccontextmanager
async def silent() -> AsyncIterator[str]:
    """Where whoever takes a request says nothing."""

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)
        writer.close()

    port = free_port()
    server = await asyncio.start_server(take, "127.0.0.1", port)
    try:
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.close()


async def lead(running: Running, endpoint: str, url: str) -> None:
    await running.call("PATCH", f"/v1/endpoints/{endpoint}", {"url": url})


async def let_go(running: Running, endpoint: str) -> None:
    """Nothing of the round before is under way, nor waits for a breaker."""
    system: Any = running.database.system
    async with asyncio.timeout(ENDS_WITHIN_S):
        while await system.fetchval(OUT, endpoint):
            await asyncio.sleep(0.2)
    await system.execute("UPDATE deliveries SET state = 'cancelled' WHERE state = 'pending'")
    await system.execute("UPDATE lanes SET breaker = 'closed', opened_at = NULL, openings = 0, good = 0, bad = 0")


async def waited(running: Running, hook: Receiver, people: list[str], but: str, seconds: float) -> list[float]:
    """Seconds, for each delivery to the other endpoints. The first second warms up."""
    await hook.forget()
    began = time.time()
    await publish(running.api.port, "/v1/notifications", BODY, running.headers, connections=4, rate=RATE, seconds=seconds, targets=people)
    system: Any = running.database.system
    async with asyncio.timeout(ENDS_WITHIN_S):
        while True:
            arrivals = await hook.arrivals()
            rows = await system.fetch(WAITS, began + 1, but)
            if rows and all(identity in arrivals for identity, _ in rows):
                return [arrivals[identity] - accepted for identity, accepted in rows]
            await asyncio.sleep(0.2)
