"""As many endpoints as a large project has, some of which nobody listens at.

MANY_ENDPOINTS=10000 pytest -s tests/sending/test_many.py makes ten thousand.
"""

import asyncio
import os
import time
from typing import Any

import aiohttp
from running import Project, Running, until
from webhook_receiver import Receiver

from sending.conftest import Sending
from sending.in_numbers import publish_many, rows, states
from tidings.deliveries.lanes.breaker import LEAST_ATTEMPTS

ENDPOINTS = int(os.environ.get("MANY_ENDPOINTS") or 1000)
DEAD = ENDPOINTS // 100
LIVING = ENDPOINTS - DEAD
NOBODY = "http://127.0.0.1:9/hook"
# Before the breakers of the dead ones open, and after it.
FIRST, LATER = 3, 2

LANES = """
SELECT d.config ->> 'url' = $2 AS is_dead, l.breaker, coalesce(a.attempts, 0) AS attempts, coalesce(o.delivered, 0) AS delivered
FROM lanes l JOIN destinations d ON d.id = l.destination
LEFT JOIN (SELECT destination, count(*) AS attempts FROM attempts WHERE project = $1 GROUP BY destination) a USING (destination)
LEFT JOIN (
    SELECT destination, count(*) AS delivered FROM deliveries WHERE project = $1 AND state = 'delivered' GROUP BY destination
) o USING (destination)
WHERE l.project = $1
"""
CLOSED = """
SELECT count(*) FROM lanes l JOIN destinations d ON d.id = l.destination
WHERE l.project = $1 AND d.config ->> 'url' = $2 AND l.breaker = 'closed'
"""


async def make_endpoints(project: Project, urls: list[str]) -> None:
    """One of each, over few connections."""
    async with aiohttp.ClientSession(project.base_url, headers=project.headers, connector=aiohttp.TCPConnector(limit=8)) as session:

        async def make(url: str) -> None:
            fields: dict[str, Any] = {"url": url, "events": ["notification.created"], "schedule": [1] * 20}
            async with session.post("/v1/endpoints", json=fields) as answer:
                assert answer.status == 201, await answer.text()

        await asyncio.gather(*(make(url) for url in urls))


async def until_living_got(system: Running, project: Project, events: int) -> None:
    async def all_got() -> bool:
        await asyncio.sleep(0.1)
        return (await states(system, project))["delivered"] == events * LIVING

    await until(all_got, 200, f"all who listen got {events} events")


async def until_dead_ones_are_spared(system: Running, project: Project) -> None:
    async def none_closed() -> bool:
        [row] = await rows(system, CLOSED, project.id, NOBODY)
        return bool(row["count"] == 0)

    await until(none_closed, 60, "no breaker of a dead one is closed")


def probes_within(seconds: float) -> int:
    """One after fifteen seconds, the next after thirty more, and so on."""
    probes, pause = 0, 15.0
    while seconds >= pause:
        probes, seconds, pause = probes + 1, seconds - pause, 2 * pause
    return probes


async def test_of_many_endpoints_the_dead_ones_cost_little_and_all_others_get_everything(
    sending: Sending, project: Project, receiver: Receiver
) -> None:
    began = time.monotonic()
    await make_endpoints(project, [NOBODY if number < DEAD else receiver.url(f"/{number}") for number in range(ENDPOINTS)])
    made = time.monotonic()
    await publish_many(project, [{}] * FIRST)
    await until_living_got(sending.system, project, FIRST)
    sent = time.monotonic()
    await until_dead_ones_are_spared(sending.system, project)
    await publish_many(project, [{}] * LATER)
    await until_living_got(sending.system, project, FIRST + LATER)

    lanes = await rows(sending.system, LANES, project.id, NOBODY)
    dead, living = [lane for lane in lanes if lane["is_dead"]], [lane for lane in lanes if not lane["is_dead"]]
    assert (len(dead), len(living)) == (DEAD, LIVING)
    # As many as open a breaker, those that were under way by then, and the probes since.
    most = LEAST_ATTEMPTS + FIRST - 1 + probes_within(time.monotonic() - made)
    assert max(lane["attempts"] for lane in dead) <= most
    assert {(lane["breaker"], lane["delivered"]) for lane in living} == {("closed", FIRST + LATER)}
    assert {len(receiver.at(f"/{number}")) for number in range(DEAD, DEAD + 10)} == {FIRST + LATER}
    told = f"{ENDPOINTS} endpoints made in {made - began:.1f} s, {FIRST} events delivered to the {LIVING} living in {sent - made:.1f} s"
    os.write(2, f"\n{told}\n".encode())
