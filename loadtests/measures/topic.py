"""A topic of 100,000 members: how fast its inbox rows are written, and what that does to everyone else's publishing.

Each round: one notification to the topic, alone; publishes to other people at a fixed rate for some seconds, alone; then as many seconds
while one notification after another goes to the topic, so that its rows are being written all the time. A fan-out's rate is its members
by the time from its event's position to the commit of the last row, as PostgreSQL's clock has them. The percentiles count from when a
publish was due.
"""

import asyncio
from collections.abc import Callable

from loadtests.accounting import cpu_s, family_of
from loadtests.client import Published, publish
from loadtests.figures import Figure, Form
from loadtests.ground import Running, tidings
from loadtests.seed import people, season, seeding, topic

MEMBERS = 100_000
OTHERS = 1000
RATE = 300.0
CONNECTIONS = 16
WITHIN_S = 30.0

TOOK = """
SELECT extract(epoch FROM f.done_at - e.created_at)::float8 FROM fanouts f
JOIN events e ON e.notification = f.notification AND e.type = 'notification.created'
WHERE f.notification = $1::uuid AND f.written = $2 AND f.done_at IS NOT NULL
"""


async def measure(form: Form, report: Callable[[str], None]) -> list[Figure]:
    seconds = form.choose(4, 20)
    async with tidings(workers=(), api=False) as running:
        async with seeding(running) as connection:
            await topic(connection, running, "everybody", await people(connection, running, MEMBERS))
        await season(running)
        for worker in ("sequencer", "projections"):
            await running.start_worker(worker)
        await running.start_api()
        await fan_out(running)
        await load(running, 2)
        alone, quiet, busy, together, cost = [], [], [], [], []
        for _ in range(form.rounds):
            before = cpu_of(running)
            alone.append(MEMBERS / await fan_out(running))
            cost.append((cpu_of(running) - before) * 1e6 / MEMBERS)
            quiet.append(await load(running, seconds))
            loading = asyncio.create_task(load(running, seconds))
            rates = []
            while not loading.done():
                rates.append(MEMBERS / await fan_out(running))
            busy.append(await loading)
            together.append(sum(rates) / len(rates))
            report(f"{alone[-1]:,.0f} rows/s; {len(rates)} at {together[-1]:,.0f}; p99 {quiet[-1].p99_us} µs → {busy[-1].p99_us} µs")
    return [
        Figure(measure="topic", what="inbox rows of a topic of 100,000, from its event to the last row", unit="rows/s", rounds=alone,
               bound="≥", limit=100_000),
        Figure(measure="topic", what=f"the same while others publish {RATE:.0f}/s", unit="rows/s", rounds=together),
        Figure(measure="topic", what="the same: CPU of PostgreSQL and the worker a row", unit="µs", rounds=cost),
        Figure(measure="topic", what="p50 of others' publishes meanwhile", unit="ms", rounds=[one.p50_us / 1000 for one in busy],
               peer="without it", beside=[one.p50_us / 1000 for one in quiet]),
        Figure(measure="topic", what="p99 of others' publishes meanwhile", unit="ms", rounds=[one.p99_us / 1000 for one in busy],
               peer="without it", beside=[one.p99_us / 1000 for one in quiet], bound="≤", limit=2),
    ]  # fmt: skip


def cpu_of(running: Running) -> float:
    return cpu_s(running.projections.pid, *family_of(running.postgres.pid))


async def fan_out(running: Running) -> float:
    """Seconds from the event of one notification to its last inbox row."""
    accepted = await running.call("POST", "/v1/notifications", {"to": [{"topic": "everybody"}], "title": "To all of you"})
    async with asyncio.timeout(WITHIN_S):
        while (took := await running.database.system.fetchval(TOOK, accepted["id"], MEMBERS)) is None:
            await asyncio.sleep(0.05)
    return float(took)


async def load(running: Running, seconds: float) -> Published:
    return await publish(
        running.api.port,
        "/v1/notifications",
        '{"to":["%%"],"title":"Your export is ready"}',
        running.headers,
        connections=CONNECTIONS,
        seconds=seconds,
        rate=RATE,
        targets=[f"other-{number}" for number in range(OTHERS)],
    )
