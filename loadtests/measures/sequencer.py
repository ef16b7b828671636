"""How fast the sequencer drains a full outbox, and how long an event waits for its place in the stream when it is not full.

Drain: 60,000 notifications (long: 500,000) of about 400 bytes to one person each are committed at once, to one shard or spread over four.
Counted is the time until the last of them is in its Redis Stream; first a round that is not counted. Beside it stands the SQL statement
alone, run by the bench over as many events while no sequencer runs, and redis-py's pipeline of XADDs of a third as many such entries.

Lag: four publishers commit events at a steady rate, 20 ms apart each. Counted is the time from the answer to their commit until the event
is read from the Redis Stream by a blocked XREAD, by one clock, for 5 s (long: 60 s).
"""

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

from loadtests.accounting import cpu_s, family_of
from loadtests.figures import Figure, Form
from loadtests.ground import Running, tidings
from tidings.events.entry import NewEvent, unpack
from tidings.events.lease import Lease, give_up_lease, take_lease
from tidings.events.live import FIELD, append_live, last_position, stream_key
from tidings.events.log import heads
from tidings.events.outbox import append
from tidings.events.sequence import sequence
from tidings.platform.redis import WAKE_CHANNEL, open_redis

FILL = """
INSERT INTO outbox (shard, project, type, notification, recipients, data, internal, actor)
SELECT ($1::smallint[])[1 + number % cardinality($1)], $2, 'notification.created', gen_random_uuid(), ARRAY[1 + number % 1000],
    json_build_object('id', gen_random_uuid(), 'title', 'Your export is ready', 'body', repeat('b', 160), 'url', '/exports/' || number,
        'data', NULL, 'category', 'exports', 'priority', 'normal', 'collapse_key', NULL, 'expires_at', NULL, 'created_at', now()),
    '{"recipients":1,"in_app":true,"transient":false,"channels":["in_app"]}', 'key:key_of_the_load_test'
FROM generate_series(1, $3::int) AS number
"""
PUBLISHERS = 4
EVERY_S = 0.02
LONGEST_S = 90


async def measure(form: Form, report: Callable[[str], None]) -> list[Figure]:
    events = int(form.choose(40_000, 500_000))
    rates: dict[int, list[float]] = {1: [], 4: []}
    costs: list[str] = []
    async with tidings(api=False) as running:
        shards = sorted(await all_heads(running))
        await drain(running, shards, events // 4)
        for round_ in range(form.rounds):
            for spread in rates:
                rate, cost = await drain(running, shards[:spread], events)
                rates[spread].append(rate)
                costs.append(cost)
                report(f"round {round_ + 1}: over {spread} shards {rate:,.0f} events/s; {cost}")
        lags = {rate: await lag(running, shards[0], rate, form.choose(5, 60)) for rate in (2000, 5000)}
        report("; ".join(f"{rate:,}/s: p50 {part(values, 0.5):.1f}, p99 {part(values, 0.99):.1f} ms" for rate, values in lags.items()))
        await running.sequencer.end()
        statement, pipeline = await floors(running, shards[0], events, int(form.choose(1, form.rounds)))
        report(f"the statement alone {max(statement):,.0f} events/s, redis-py's pipeline {max(pipeline):,.0f} entries/s")
    note = costs[-1]
    return [
        *(
            Figure(
                measure="sequencer",
                what=f"drain of a full outbox over {spread} shard{'s' * (spread > 1)}",
                unit="events/s",
                rounds=values,
                bound="≥",
                limit=20_000,
                note=note,
            )
            for spread, values in rates.items()
        ),
        Figure(
            measure="sequencer",
            what="drain over 1 shard, beside the SQL statement alone",
            unit="events/s",
            rounds=rates[1],
            peer="SQL",
            beside=statement,
        ),
        Figure(
            measure="sequencer",
            what="drain over 1 shard, beside redis-py's pipeline of XADDs alone",
            unit="events/s",
            rounds=rates[1],
            peer="pipeline",
            beside=pipeline,
        ),
        *(
            Figure(
                measure="sequencer",
                what=f"lag from the commit to the stream at {rate:,} events/s, p99",
                unit="ms",
                rounds=[part(lags[rate], 0.99)],
                bound="≤",
                limit=limit,
                note=f"p50 {part(lags[rate], 0.5):.1f}",
            )
            for rate, limit in ((2000, 15), (5000, 25))
        ),
    ]


def part(values: Sequence[float], share: float) -> float:
    """A percentile, in milliseconds."""
    ordered = sorted(values)
    return 1000 * ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]


# Drain


async def drain(running: Running, shards: Sequence[int], events: int) -> tuple[float, str]:
    """Events a second, and what one costs whom."""
    before = await all_heads(running)
    async with running.database.system.acquire() as connection, connection.transaction():
        await fill(running, connection, shards, events)
        spent, start = cpu_of(running), time.perf_counter()
    ends = [(stream_key(before[shard].epoch, shard), before[shard].position + events // len(shards)) for shard in shards]
    async with asyncio.timeout(LONGEST_S):
        for key, last in ends:
            while await last_position(running.redis, key) < last:
                await asyncio.sleep(0.005)
    seconds = time.perf_counter() - start
    costs = [1e6 * (now - then) / events for now, then in zip(cpu_of(running), spent, strict=True)]
    return events / seconds, "CPU an event: sequencer {:.1f} µs, PostgreSQL {:.1f}, Valkey {:.1f}".format(*costs)


async def fill(running: Running, connection: Any, shards: Sequence[int], events: int) -> None:
    """In the caller's transaction. A multiple of the number of shards, so that each gets as many."""
    await connection.execute(FILL, shards, running.tenant.id, events, timeout=LONGEST_S)


async def all_heads(running: Running) -> Any:
    async with running.database.system.acquire() as connection:
        return await heads(connection)


def cpu_of(running: Running) -> tuple[float, float, float]:
    return cpu_s(running.sequencer.pid), cpu_s(*family_of(running.postgres.pid)), cpu_s(running.valkey.pid)


# Lag


async def lag(running: Running, shard: int, rate: int, seconds: float) -> list[float]:
    """Seconds from the answer to the commit until the event was read, for each event; 0 for one that was read before."""
    answered: dict[str, float] = {}
    arrived: dict[str, float] = {}
    reader = asyncio.create_task(follow(running, shard, arrived))
    each = round(rate * EVERY_S / PUBLISHERS)
    try:
        await asyncio.gather(*(publish(running, shard, number, each, seconds, answered) for number in range(PUBLISHERS)))
        async with asyncio.timeout(10):
            while not answered.keys() <= arrived.keys():
                await asyncio.sleep(0.01)
    finally:
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
    # Commits of one publisher have the same number of events, so a commit stands for its events. The first second warms up.
    first = min(answered.values()) + 1
    return [max(0.0, arrived[name] - at) for name, at in answered.items() if at >= first]


async def publish(running: Running, shard: int, number: int, events: int, seconds: float, answered: dict[str, float]) -> None:
    start = time.perf_counter() + number * EVERY_S / PUBLISHERS
    async with running.database.system.acquire() as connection:
        for turn in range(int(seconds / EVERY_S)):
            await asyncio.sleep(max(0.0, start + turn * EVERY_S - time.perf_counter()))
            name = f'"{number}:{turn}:{"x" * 380}"'
            event = NewEvent(project=running.tenant.id, shard=shard, type="test.happened", data=name, actor="test", recipients=[1])
            await append(connection, [event] * events)
            answered[name] = time.perf_counter()
            await running.redis.publish(WAKE_CHANNEL, shard)


async def follow(running: Running, shard: int, arrived: dict[str, float]) -> None:
    """When the last event of each commit was read."""
    head = (await all_heads(running))[shard]
    redis, key, position = (
        open_redis(running.settings.redis_url or "", health_check_interval=0),
        stream_key(head.epoch, shard),
        head.position,
    )
    try:
        while True:
            answer = await redis.execute_command("XREAD", "COUNT", 1000, "BLOCK", 1000, "STREAMS", key, f"{position}-0")
            now = time.perf_counter()
            for _, fields in (answer or [[None, []]])[0][1]:
                event = unpack(fields[FIELD])
                position = event.position
                arrived[event.data] = now
    finally:
        with contextlib.suppress(Exception):
            await redis.aclose()


# What it rests on, alone


async def floors(running: Running, shard: int, events: int, rounds: int) -> tuple[list[float], list[float]]:
    """Events a second of the statement, entries a second of redis-py's pipeline, for each round."""
    statement, pipeline = [], []
    async with running.database.system.acquire() as connection:
        lease = await take_lease(connection, shard, "bench", LONGEST_S * rounds)
        assert lease is not None
        for _ in range(rounds):
            await fill(running, connection, [shard], events)
            statement.append(await by_statement(connection, lease, events))
            pipeline.append(await by_pipeline(running, connection, lease, events // 3))
        await give_up_lease(connection, lease)
    return statement, pipeline


async def by_statement(connection: Any, lease: Lease, events: int) -> float:
    start = time.perf_counter()
    left = events
    while left > 0:
        left -= len(await sequence(connection, lease.shard, lease.term, 1000))
    return events / (time.perf_counter() - start)


async def by_pipeline(running: Running, connection: Any, lease: Lease, events: int) -> float:
    await fill(running, connection, [lease.shard], events)
    batches = [await sequence(connection, lease.shard, lease.term, 1000) for _ in range(math.ceil(events / 1000))]
    key = "bench:" + stream_key(lease.epoch, lease.shard)
    start = time.perf_counter()
    for batch in batches:
        await append_live(running.redis, key, batch, 10_000, create=True)
    seconds = time.perf_counter() - start
    await running.redis.delete(key)
    return events / seconds
