"""Publishers as fast as they can, more than the log takes: what is refused, what waits, and that nothing accepted is lost.

Two API processes. For 10 s (long: 60 s), 32 connections post single notifications to one person each to one of them, and 16 post batches
of 100 to the other; whoever is refused tries again at once, although it is told to wait. The backlog is counted twice a second. Then they
stop. Counted is how long it takes until nothing waits and the stream is at the head of the log, and the lag (as in `sequencer`) at 200
events/s right after that. Every accepted notification must be in the log and in the stream, and every answer must be a 202 or a 503 with
Retry-After.
"""

import asyncio
import time
from collections.abc import Callable

from loadtests.client import Published, publish
from loadtests.figures import Bound, Figure, Form
from loadtests.ground import Running, tidings
from loadtests.measures.sequencer import all_heads, lag
from tidings.events.live import stream_key
from tidings.settings import Settings

PEOPLE = 1000
BATCH = 100
BODY = '{"to":["%%"],"title":"Your export is ready","body":"@@"}'
RECOVERED_WITHIN_S = 10
LONGEST_S = 90

WAITING = "SELECT count(*) FROM outbox WHERE shard = $1"
LOGGED = "SELECT count(*) FROM events WHERE shard = $1 AND type = 'notification.created'"


async def measure(form: Form, report: Callable[[str], None]) -> list[Figure]:
    seconds = form.choose(10, 60)
    async with tidings() as running:
        shard = running.tenant.shard
        people = [f"person-{number}" for number in range(PEOPLE)]
        # The people are there, and the caches of the process are warm.
        await publish(running.api.port, "/v1/notifications", BODY, running.headers, requests=PEOPLE, targets=people, connections=8)
        await recovery(running, shard)
        before = await amounts(running, shard)
        other = await running.start_api("another")
        watching = asyncio.create_task(watch(running, shard))
        single, batch = await asyncio.gather(
            load(running, running.api.port, people, seconds, 32, 1), load(running, other.port, people, seconds, 16, BATCH)
        )
        head = (await all_heads(running))[shard].position
        most = await stopped(watching)
        report(f"single {said(single)}; batches {said(batch)}; at most {most:,} waited")
        seconds_after = await recovery(running, shard)
        after = 1000 * max(await lag(running, shard, 200, 3))
        logged, streamed = (now - then for now, then in zip(await amounts(running, shard), before, strict=True))
    accepted = single.accepted + batch.accepted * BATCH
    # Lag adds events of its own to the stream, and none of its are notifications.
    streamed -= 4 * int(3 / 0.02)
    report(f"nothing waits after {seconds_after:.1f} s; lag then at most {after:.0f} ms; accepted {accepted:,}, in the log {logged:,}")
    drained = (head - before[1]) / seconds
    wrong = wrong_answers(single) + wrong_answers(batch)
    limit = Settings().backlog_limit

    def figure(what: str, unit: str, value: float, at_most: float | None = None, note: str = "") -> Figure:
        bound: Bound | None = None if at_most is None else "≤"
        return Figure(measure="overload", what=f"{seconds:.0f} s: {what}", unit=unit, rounds=[value], bound=bound, limit=at_most, note=note)

    return [
        figure("most events that waited", "events", most, 1.25 * limit, f"TIDINGS_BACKLOG_LIMIT is {limit:,}"),
        figure("answers that are neither 202 nor 503 with Retry-After", "answers", wrong, 0, f"{refused(single) + refused(batch):,} × 503"),
        figure("accepted", "events/s", accepted / seconds, note=f"got their position meanwhile: {drained:,.0f} a second"),
        figure("accepted and not in the log, or not in the stream", "events", abs(accepted - logged) + abs(accepted - streamed), 0),
        figure("until nothing waits, after they stopped", "s", seconds_after, RECOVERED_WITHIN_S),
        figure("longest lag at 200 events/s after that", "ms", after, 50),
    ]


async def load(running: Running, port: int, people: list[str], seconds: float, connections: int, batch: int) -> Published:
    path = "/v1/notifications" if batch == 1 else "/v1/notifications/batch"
    return await publish(
        port,
        path,
        BODY,
        running.headers,
        connections=connections,
        seconds=seconds,
        targets=people,
        batch=None if batch == 1 else '{"notifications":[**]}',
        batch_size=batch,
        bound_s=seconds + 30,
    )


async def watch(running: Running, shard: int) -> int:
    """The most that waited, until it is cancelled."""
    most = 0
    try:
        while True:
            most = max(most, await running.database.system.fetchval(WAITING, shard))
            await asyncio.sleep(0.5)
    except asyncio.CancelledError:
        return most


async def stopped(watching: asyncio.Task[int]) -> int:
    watching.cancel()
    return await watching


async def recovery(running: Running, shard: int) -> float:
    """Seconds until nothing waits and the stream is where the log is."""
    start = time.perf_counter()
    async with asyncio.timeout(LONGEST_S):
        while await running.database.system.fetchval(f"SELECT EXISTS ({WAITING.replace('count(*)', '')})", shard) or not await in_step(
            running, shard
        ):
            await asyncio.sleep(0.02)
    return time.perf_counter() - start


async def in_step(running: Running, shard: int) -> bool:
    head = (await all_heads(running))[shard]
    newest = await running.redis.xrevrange(stream_key(head.epoch, shard), count=1)
    return bool(newest) and newest[0][0] == b"%d-0" % head.position


async def amounts(running: Running, shard: int) -> tuple[int, int]:
    """Notifications in the log, and entries that the stream was given."""
    head = (await all_heads(running))[shard]
    stream = await running.redis.xinfo_stream(stream_key(head.epoch, shard))
    return await running.database.system.fetchval(LOGGED, shard), stream["entries-added"]


def refused(seen: Published) -> int:
    return seen.statuses.get("503", 0)


def wrong_answers(seen: Published) -> int:
    """Connections that ended under a request count too."""
    polite = seen.retry_after.count if seen.retry_after is not None else 0
    return seen.lost + seen.answered - seen.accepted - min(refused(seen), polite)


def said(seen: Published) -> str:
    return f"{seen.accepted / seen.seconds:,.0f} accepted and {refused(seen) / seen.seconds:,.0f} refused a second"
