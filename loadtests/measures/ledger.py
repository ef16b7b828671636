"""A ledger of 1,000,000 deliveries (long: 10,000,000): how fast what is due is taken and settled, and how long anybody waits for it.

1,000 endpoints in 20 projects, four weeks of deliveries with one attempt each in weekly partitions: 1 % dead, half as many held, a tenth of
the last three days' waiting for their next attempt, the rest delivered; a tenth of all goes to one endpoint.

Rate: what is due is leased by `dispatch`, as much as it gives at once, then claimed and settled as delivered in batches of 100, four at the
same time on connections of their own, as in a worker that has nothing to send. Counted is the time of claiming and settling. Beside it, in
turn, the same number of rows that bare asyncpg inserts by `unnest` into a table like that of the attempts, and updates by another.

p99: one call after another. Of the functions that planner and worker call, with 100 deliveries to as many endpoints, three of which are to
be tried again; and of requests over HTTP on a kept connection, each for another endpoint, notification, delivery or place.
"""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import Any
from urllib.parse import urlencode

import aiohttp
import asyncpg

from loadtests.accounting import cpu_s, family_of
from loadtests.figures import Figure, Form
from loadtests.ground import Running, tidings
from loadtests.ledger import Ground, delivered, due, endpoints, endpoints_kept
from loadtests.measures.inbox import p99, timed
from loadtests.seed import season, seeding
from loadtests.taking import BATCH, WORKER, floor, lease, make_floor, results, take_all
from tidings.deliveries.ledger.claim import claim
from tidings.deliveries.ledger.dispatch import MOST_OUT
from tidings.deliveries.ledger.session import SESSION
from tidings.deliveries.ledger.settle import settle
from tidings.platform.postgres import open_pool

STORED, VERY_MUCH = 1_000_000, 10_000_000
FAILED = 3
LIMIT_MS = 20

# Of the project, from any week. percent: of the pages of the tables.
SAMPLE = """
SELECT d.id::text, d.notification::text, t.key FROM deliveries d TABLESAMPLE SYSTEM ({percent}) JOIN destinations t ON t.id = d.destination
WHERE d.project = $1 ORDER BY random() LIMIT 2000
"""
STATES = ("dead", "held", "pending", "delivered")

Times = dict[str, list[list[float]]]


async def measure(form: Form, report: Callable[[str], None]) -> list[Figure]:
    stored = int(form.choose(STORED, VERY_MUCH))
    async with tidings(workers=(), api=False, kept=form.kept) as running:
        ground = await filled(report, running, stored)
        if form.only_fills:
            return []
        await make_floor(running)
        await season(running)
        async with await open_pool(running.postgres.program.url, "tidings_worker", 8, "load test", **SESSION) as pool:
            rates = await of_taking(form, report, running, ground, pool)
            times = await of_steps(form, report, ground, pool)
        await running.start_api()
        times |= await of_pages(form, report, running, stored)
    return [
        *rates,
        *(
            Figure(measure="ledger", what=f"{what}, {stored:,} stored: p99", unit="ms", rounds=[p99(one) for one in rounds],
                   bound="≤", limit=LIMIT_MS, note=f"p50 {median(median(one) for one in rounds):.1f}")
            for what, rounds in times.items()
        ),
    ]  # fmt: skip


async def filled(report: Callable[[str], None], running: Running, stored: int) -> Ground:
    """The ledger with so many in it: a kept one as it is, whose file says that it was filled to its end."""
    done = running.state / f"filled-with-{stored}"
    if done.exists():
        return await endpoints_kept(running)
    began = time.perf_counter()
    async with seeding(running) as connection:
        ground = await endpoints(connection, running)
        await delivered(running, ground, stored)
    report(f"{stored:,} stored in {time.perf_counter() - began:.0f} s")
    done.touch()
    return ground


# Rate


async def of_taking(form: Form, report: Callable[[str], None], running: Running, ground: Ground, pool: asyncpg.Pool) -> list[Figure]:
    rows = int(form.choose(16_000, 100_000))
    own, leasing, beside, costs, turns = [], [], [], [], []
    for round_ in range(form.rounds + 1):
        async with pool.acquire() as connection:
            await due(connection, ground, rows)
        before = cpu_s(*family_of(running.postgres.pid))
        taken = await take_all(pool)
        cost = (cpu_s(*family_of(running.postgres.pid)) - before) * 1e6 / taken.rows
        bare = await floor(pool, rows)
        report(f"{taken.rate:,.0f} rows/s, leased {taken.leasing:,.0f}/s; PostgreSQL {cost:.0f} µs a row in all; floor {bare:,.0f} rows/s")
        if round_ == 0:
            continue  # plans are made, and pages are logged whole that are touched for the first time after a checkpoint
        own.append(taken.rate)
        leasing.append(taken.leasing)
        beside.append(bare)
        costs.append(cost)
        turns.append(taken.leases_ms)
    note = f"leased {median(leasing):,.0f} rows/s, PostgreSQL {median(costs):.0f} µs a row for the three of them"
    return [
        Figure(measure="ledger", what="claim and settle, batches of 100", unit="rows/s", rounds=own, bound="≥", limit=15_000, note=note),
        Figure(measure="ledger", what="claim and settle, beside rows inserted and updated by bare asyncpg", unit="rows/s", rounds=own,
               peer="asyncpg", beside=beside),
        Figure(measure="ledger", what=f"dispatch of a full load ({MOST_OUT:,}): p50", unit="ms", rounds=[median(one) for one in turns]),
    ]  # fmt: skip


# p99


async def of_steps(form: Form, report: Callable[[str], None], ground: Ground, pool: asyncpg.Pool) -> Times:
    turns = int(form.choose(200, 1000))
    times: Times = {f"{step} of 100": [] for step in ("dispatch", "claim", "settle")}
    async with pool.acquire() as connection:
        for _ in range(form.rounds):
            steps = [await one_turn(connection, ground, turn) for turn in range(turns)]
            for rounds, each in zip(times.values(), zip(*steps, strict=True), strict=True):
                rounds.append(list(each))
            report(", ".join(f"{what} {p99(rounds[-1]):.1f}" for what, rounds in times.items()) + " ms (p99)")
    return times


async def one_turn(connection: Any, ground: Ground, turn: int) -> tuple[float, float, float]:
    """Milliseconds of dispatching, claiming and settling what has just come to be due."""
    await due(connection, ground, BATCH, turn * BATCH)
    # Not the same ones each time, or their breakers open.
    first = FAILED * (turn * BATCH // len(ground.destinations))
    failed = [(first + place) % BATCH for place in range(FAILED)]
    began = time.perf_counter()
    ids = await lease(connection)
    leased = time.perf_counter()
    claimed = await claim(connection, ids, WORKER)
    taken = time.perf_counter()
    written = await settle(connection, results(claimed, failed))
    ended = time.perf_counter()
    if len(written) != BATCH:
        raise RuntimeError(f"of {BATCH} that were due {len(ids)} were leased, {len(written)} settled")
    return (leased - began) * 1000, (taken - leased) * 1000, (ended - taken) * 1000


async def of_pages(form: Form, report: Callable[[str], None], running: Running, stored: int) -> Times:
    requests = int(form.choose(200, 1000))
    rows = await running.database.system.fetch(SAMPLE.format(percent=min(100.0, 5e6 / stored)), running.tenant.id)
    kinds = {what: paths_of(what, rows) for what in PATHS}
    times: Times = {f"GET {what}": [] for what in kinds}
    async with aiohttp.ClientSession(f"http://127.0.0.1:{running.api.port}", headers=running.headers) as session:
        for round_ in range(form.rounds + 1):
            for what, paths in kinds.items():
                one = [await timed(session, "GET", next(paths)) for _ in range(requests if round_ else 20)]
                if round_:
                    times[f"GET {what}"].append(one)
            report(", ".join(f"{what} {p99(rounds[-1]):.1f}" for what, rounds in times.items() if rounds) + " ms (p99)")
    return times


PATHS: dict[str, Callable[[Any, str], str]] = {
    "/v1/deliveries": lambda row, state: page(),
    "…?endpoint=": lambda row, state: page(endpoint=row["key"]),
    "…?state=": lambda row, state: page(state=state),
    "…?endpoint=&state=": lambda row, state: page(endpoint=row["key"], state=state),
    "…?notification=": lambda row, state: page(notification=row["notification"]),
    "…?after=": lambda row, state: page(after=row["id"]),
    "…?endpoint=&after=": lambda row, state: page(endpoint=row["key"], after=row["id"]),
    "…/attempts": lambda row, state: f"/v1/deliveries/{row['id']}/attempts",
}


def page(**asked: str) -> str:
    return "/v1/deliveries?" + urlencode(asked)


def paths_of(what: str, rows: Sequence[Any]) -> Iterator[str]:
    """Without an end, each for another delivery."""
    choose = random.Random(what)
    while True:
        yield PATHS[what](choose.choice(rows), choose.choice(STATES))
