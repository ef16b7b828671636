"""Service levels: counted from a ledger, against a count of every row of it. A clock is an argument."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given as each
from hypothesis import strategies as st

from deliveries.conftest import Deliveries
from deliveries.levels_ground import DAY, HOUR, MINUTE, NOON, SECOND, End, Levels, begin, counted, levels
from tidings.deliveries.levels.checking import check_levels
from tidings.deliveries.levels.latencies import ERROR, FIRST_S, percentile, slower_than
from tidings.deliveries.levels.tallies import keep_tallies

__all__ = ["levels"]


def exact_percentile(values: Sequence[float], share: float) -> float:
    """Nearest rank."""
    return sorted(values)[max(1, -int(-(share * len(values) - 1e-9) // 1)) - 1]


def is_near(told: float | None, exact: float) -> bool:
    return told is not None and (exact / (1 + ERROR) - 1e-9 <= told <= exact * (1 + ERROR) + 1e-9 or (exact <= FIRST_S and told == FIRST_S))


def random_ends(chance: random.Random, count: int, now: datetime, over: timedelta) -> list[End]:
    return [
        (chance.choices(("delivered", "dead", "cancelled"), (90, 8, 2))[0], now - over * chance.random(), chance.lognormvariate(-2, 2.5))
        for _ in range(count)
    ]


@each(st.lists(st.floats(0.0001, 400_000), min_size=1, max_size=200), st.sampled_from((0.01, 0.5, 0.95, 0.99, 1.0)))
def test_a_percentile_is_within_the_error_that_is_stated(values: list[float], share: float) -> None:
    counts = [0] * 250
    for value in values:
        bucket = next(bucket for bucket in range(250) if value <= FIRST_S * 1.1**bucket * (1 + 1e-12))
        counts[bucket] += 1
    assert is_near(percentile(counts, share), exact_percentile(values, share))


async def test_the_bucket_in_the_database_is_the_one_that_is_read_here(levels: Levels) -> None:
    async with levels.connection() as connection:
        for seconds in (-1.0, 0.0, 0.004, 0.0051, 0.1, 1.0, 59.0, 3600.0, 259_200.0):
            histogram = await connection.fetchval("SELECT tidings_histogram(ARRAY[tidings_latency_bucket($1)])", seconds)
            assert is_near(percentile(histogram, 1), seconds) or seconds <= 0, seconds
        assert await connection.fetchval("SELECT tidings_latency_bucket(1e15)") == 250


async def test_late_ones_are_counted_from_the_bucket_after_that_of_the_target() -> None:
    assert slower_than([1, 2, 4, 8], FIRST_S) == 14
    assert slower_than([1, 2, 4, 8], FIRST_S * 1.05) == 12
    assert slower_than([1, 2, 4, 8], 60) == 0


async def test_figures_are_those_of_a_count_of_every_row_whichever_span_they_lie_in(api: Deliveries, levels: Levels) -> None:
    """Checked every few hours over 33 days, so that minutes have become hours and days by the end."""
    chance = random.Random(17)
    keys = [(await api.endpoint())["id"] for _ in range(2)]
    ends = {key: random_ends(chance, 1500, NOON, 33 * DAY) + random_ends(chance, 400, NOON, 2 * HOUR) for key in keys}
    for key in keys:
        await levels.end(key, ends[key])
    async with levels.connection() as connection:
        # Rows of the ledger that a check cannot have seen yet wait aside.
        await connection.execute("CREATE TEMP TABLE later AS SELECT * FROM deliveries")
        await connection.execute("DELETE FROM deliveries")
        at = NOON - 34 * DAY
        while at < NOON:
            at = min(NOON, at + timedelta(hours=7, minutes=13))
            await connection.execute(
                "WITH come AS (DELETE FROM later WHERE finished_at <= $1 RETURNING *) INSERT INTO deliveries SELECT * FROM come", at
            )
            while await check_levels(connection, at):
                pass
        spans = {row[0] for row in await connection.fetch("SELECT DISTINCT span FROM service_tallies")}
        await connection.execute("DROP TABLE later")
    assert spans == {1, 10, 60, 1440}
    for window in ("1h", "24h", "7d", "30d"):
        page = await levels.page(window, NOON)
        everything: list[End] = []
        for item in page.items:
            detail = await levels.get(item.key, window, NOON)
            inside = [end for end in ends[item.key] if end[1] >= page.since]
            everything += inside
            expect(item.figures, inside)
            expect(detail.figures, inside)
            step = timedelta(seconds=detail.step_s)
            assert sum(point.figures.delivered for point in detail.timeline) == item.figures.delivered
            for point in detail.timeline:
                expect(point.figures, [end for end in inside if point.at <= end[1] < point.at + step])
        assert len(page.items) == 2
        expect(page.project.figures, everything)
        [webhooks] = page.connectors
        assert (webhooks.connector, webhooks.figures) == ("webhook", page.project.figures)


def expect(figures: Any, ends: Sequence[End]) -> None:
    took = [seconds for state, _, seconds in ends if state == "delivered"]
    dead = sum(state == "dead" for state, _, _ in ends)
    assert (figures.delivered, figures.dead) == (len(took), dead)
    assert figures.success == (len(took) / (len(took) + dead) if took or dead else None)
    for share, told in ((0.5, figures.p50_s), (0.95, figures.p95_s), (0.99, figures.p99_s)):
        assert is_near(told, exact_percentile(took, share)) if took else told is None


async def test_a_window_begins_at_a_full_span_and_never_later_than_it_says(api: Deliveries, levels: Levels) -> None:
    for window, since in (
        ("1h", datetime(2026, 11, 25, 11, 0, tzinfo=UTC)), ("24h", datetime(2026, 11, 24, 12, tzinfo=UTC)),
        ("7d", datetime(2026, 11, 18, 12, tzinfo=UTC)), ("30d", datetime(2026, 10, 26, tzinfo=UTC)),
    ):  # fmt: skip
        assert (await levels.page(window, NOON)).since == since


async def test_what_is_written_a_little_late_is_counted_and_nothing_is_counted_twice(api: Deliveries, levels: Levels) -> None:
    made = (await api.endpoint())["id"]
    await levels.end(made, [("delivered", NOON - SECOND, 0.1)])
    for seconds in (0, 30, 60):
        await levels.check(NOON + seconds * SECOND)
    # Ended before all these rounds, and its worker writes it only now.
    await levels.end(made, [("delivered", NOON - SECOND, 0.1), ("dead", NOON - SECOND, 9.0)])
    await levels.check(NOON + 90 * SECOND)
    assert counted(await levels.get(made, "1h", NOON + 90 * SECOND)) == (2, 1)
    for seconds in range(120, 400, 30):
        await levels.check(NOON + seconds * SECOND)
    assert counted(await levels.get(made, "1h", NOON + 400 * SECOND)) == (2, 1)


async def test_after_a_long_pause_the_first_round_does_not_close_what_ended_meanwhile(api: Deliveries, levels: Levels) -> None:
    made = (await api.endpoint())["id"]
    await levels.check(NOON)
    later = NOON + 3 * HOUR
    await levels.end(made, [("delivered", NOON + HOUR, 0.1)])
    await levels.check(later)
    # PostgreSQL was away; a worker held this since then, and is half a minute behind the counting.
    await levels.end(made, [("delivered", NOON + HOUR, 0.1)])
    await levels.check(later + 30 * SECOND)
    await levels.check(later + 60 * SECOND)
    assert counted(await levels.get(made, "24h", later + MINUTE)) == (2, 0)


async def test_two_who_count_at_once_do_it_once(api: Deliveries, levels: Levels) -> None:
    made = (await api.endpoint())["id"]
    await levels.end(made, [("delivered", NOON - MINUTE, 0.1)])
    async with levels.connection() as one, one.transaction():
        await one.execute("SELECT FROM service_checks FOR UPDATE")
        await levels.check(NOON)
        assert counted(await levels.get(made, "1h", NOON)) == (0, 0)
    await levels.check(NOON)
    assert counted(await levels.get(made, "1h", NOON)) == (1, 0)


async def test_counting_reads_what_is_new_and_not_the_ledger(api: Deliveries, levels: Levels) -> None:
    made = (await api.endpoint())["id"]
    await levels.end(made, [("delivered", NOON - 20 * DAY + n * MINUTE, 0.1) for n in range(2000)])
    await begin(api, NOON - 10 * DAY)
    await levels.check(NOON)
    assert await api.database.system.fetchval("SELECT count(*) FROM service_tallies") == 0


async def test_tallies_go_with_the_ledger(api: Deliveries, levels: Levels) -> None:
    made = (await api.endpoint())["id"]
    now = datetime.now(UTC)
    await begin(api, now - 60 * DAY)
    await levels.end(made, [("delivered", now - 40 * DAY, 0.1), ("delivered", now - 20 * DAY, 0.1)])
    for _ in range(3):
        await levels.check(now)
    async with levels.connection() as connection:
        await keep_tallies(connection, 30)
        kept = await connection.fetch("SELECT destination > 0 AS own, delivered FROM service_tallies")
    assert sorted(tuple(row) for row in kept) == [(False, 1), (True, 1)]


async def test_the_oldest_that_waits_is_told_apart_from_what_is_held(api: Deliveries, levels: Levels) -> None:
    one, other = [(await api.endpoint())["id"] for _ in range(2)]
    # Between attempts, throttled or behind an open breaker: pending, due or not.
    await api.deliver(one, at=NOON - 90 * SECOND, next_attempt_at=NOON + HOUR)
    await api.deliver(one, at=NOON - 10 * SECOND)
    await api.deliver(one, "delivered", at=NOON - DAY)
    await api.deliver(one, "dead", at=NOON - DAY)
    await api.deliver(other, "held", at=NOON - 2 * HOUR, reason="disabled")
    page = await levels.page("24h", NOON)
    assert [(item.waiting.pending_s, item.waiting.held_s) for item in page.items] == [(90, None), (None, 7200)]
    assert (page.project.waiting, page.connectors[0].waiting) == (page.project.waiting, page.project.waiting)
    assert (page.project.waiting.pending_s, page.project.waiting.held_s) == (90, 7200)
