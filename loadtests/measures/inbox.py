"""An inbox of 100,000 items of one subscriber, over HTTP: its first page, its counts, and marking all of it read.

One client, one request after another, on a kept connection. Between the marks items arrive, so that each has something to do: by turns
three, and, where a mark has to move a watermark again, 2,500, more than it changes item by item.
"""

import math
import time
from collections.abc import Callable

import aiohttp

from loadtests.accounting import cpu_s, family_of
from loadtests.figures import Figure, Form
from loadtests.ground import Running, tidings
from loadtests.seed import notifications, people, seeding

ITEMS = 100_000
# More than a mark changes item by item (2,000, `notifications/marks.py`), so that it moves a watermark.
MANY = 2500
OTHERS = 1000


async def measure(form: Form, report: Callable[[str], None]) -> list[Figure]:
    requests, marks = int(form.choose(200, 1000)), int(form.choose(30, 100))
    async with tidings(workers=(), api=False) as running:
        async with seeding(running) as connection:
            [alice] = await people(connection, running, 1, "alice-")
            others = await people(connection, running, OTHERS)
            await notifications(connection, running, others, ITEMS, newer=ITEMS)
            await notifications(connection, running, [alice], ITEMS)
        await running.start_worker("sequencer")
        await running.start_api()
        [token] = await running.tokens(["alice-1"])
        pages, counts, all_read, cost = [], [], [], []
        async with aiohttp.ClientSession(f"http://127.0.0.1:{running.api.port}", headers={"Authorization": f"Bearer {token}"}) as session:
            for path in ("/v1/inbox", "/v1/inbox/counts") * 20:
                await timed(session, "GET", path)
            for _ in range(form.rounds):
                before = cpu_of(running)
                pages.append([await timed(session, "GET", "/v1/inbox") for _ in range(requests)])
                cost.append((cpu_of(running) - before) * 1e6 / requests)
                counts.append([await timed(session, "GET", "/v1/inbox/counts") for _ in range(requests)])
                report(f"page {p99(pages[-1]):.1f} ms, counts {p99(counts[-1]):.1f} ms (p99)")
            for _ in range(form.rounds):
                all_read.append([await mark_all(running, session, number) for number in range(marks)])
                report(f"all read {p99(all_read[-1]):.1f} ms (p99)")
    figures = [("first page", pages, 10), ("counts", counts, 10), ("mark all read, with items arriving between", all_read, 100)]
    return [
        *(
            Figure(measure="inbox", what=f"{what}, inbox of 100,000: p99", unit="ms", rounds=[p99(one) for one in times],
                   bound="≤", limit=limit)
            for what, times, limit in figures
        ),
        Figure(measure="inbox", what="first page: CPU of the API process and PostgreSQL", unit="µs", rounds=cost),
    ]  # fmt: skip


def p99(times: list[float]) -> float:
    return sorted(times)[math.ceil(len(times) * 0.99) - 1]


def cpu_of(running: Running) -> float:
    return cpu_s(running.api.pid, *family_of(running.postgres.pid))


async def mark_all(running: Running, session: aiohttp.ClientSession, number: int) -> float:
    """Some arrive, the newest is read off the first page, and everything up to it is marked."""
    arriving = MANY if number % 10 == 0 else 3
    for step in range(0, arriving, 1000):
        one = {"to": ["alice-1"], "title": "Your export is ready"}
        await running.call("POST", "/v1/notifications/batch", {"notifications": [one] * min(1000, arriving - step)})
    async with session.get("/v1/inbox") as answer:
        newest = (await answer.json())["items"][0]["id"]
    return await timed(session, "POST", "/v1/inbox/read", {"up_to": newest})


async def timed(session: aiohttp.ClientSession, method: str, path: str, body: object = None) -> float:
    """Milliseconds of one request."""
    begun = time.perf_counter()
    async with session.request(method, path, json=body) as answer:
        await answer.read()
        answer.raise_for_status()
    return (time.perf_counter() - begun) * 1000
