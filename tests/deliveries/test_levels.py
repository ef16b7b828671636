"""Service levels: counted from a ledger, against a count of every row of it. A clock is an argument."""

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest
import uvicorn
from deliveries.conftest import WRITE, Deliveries
from hypothesis import given as each
from hypothesis import strategies as st
from litestar import Litestar
from prometheus_client import REGISTRY
from running import listens, until

from tidings.deliveries.ledger.claim import Claimed
from tidings.deliveries.ledger.outcome import Next, Outcome
from tidings.deliveries.ledger.settle import Result
from tidings.deliveries.levels import routes
from tidings.deliveries.levels.checking import check_levels
from tidings.deliveries.levels.gauges import count_settled
from tidings.deliveries.levels.latencies import ERROR, FIRST_S, percentile, slower_than
from tidings.deliveries.levels.objectives import RULES, WINDOWS, Tally, Target, breach, budget_left, burn_rate, is_over
from tidings.deliveries.levels.reading import get_level, list_levels
from tidings.deliveries.levels.tallies import keep_tallies
from tidings.platform.embedded.memory import free_port
from tidings.platform.ids import uuid7
from tidings.platform.postgres import tenant_connection

SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NOON = datetime(2026, 11, 25, 12, 0, 17, tzinfo=UTC)
End = tuple[str, datetime, float]


class Levels:
    """The ledger of one project as it fills, and who counts it."""

    def __init__(self, api: Deliveries) -> None:
        self.api = api

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        async with self.api.database.system.acquire() as connection:
            yield connection

    async def end(self, endpoint: str, ends: Iterable[End]) -> None:
        """Deliveries that came to these ends: state, when, after how many seconds."""
        rows = [
            (uuid7(), self.api.tenant.id, endpoint, None, None, "notification.created", at - timedelta(seconds=took), None, state, 1, at,
             None, None, at)
            for state, at, took in ends
        ]  # fmt: skip
        await self.api.database.system.executemany(WRITE, rows)

    async def check(self, now: datetime) -> None:
        async with self.connection() as connection:
            while await check_levels(connection, now):
                pass

    async def get(self, endpoint: str, window: Any, now: datetime) -> Any:
        async with self.connection() as connection:
            return await get_level(connection, self.api.tenant.id, endpoint, window, now)

    async def page(self, window: Any, now: datetime, after: str | None = None, limit: int = 100) -> Any:
        async with self.connection() as connection:
            return await list_levels(connection, self.api.tenant.id, window, after, limit, now)

    async def told(self) -> list[tuple[str, Any]]:
        return [(e.type, msgspec.json.decode(e.data)) for e in await self.api.outbox() if e.type.startswith("service_level.")]


@pytest.fixture
async def levels(api: Deliveries) -> Levels:
    """Nothing is counted yet, and counting begins long ago; what other tests left is gone."""
    await api.database.system.execute("DELETE FROM service_tallies")
    await api.database.system.execute("DELETE FROM service_alarms")
    await api.database.system.execute("DELETE FROM deliveries")
    await begin(api, NOON - 40 * DAY)
    app_of(api).register(routes.router)
    return Levels(api)


def app_of(api: Deliveries) -> Litestar:
    transport = api.client._transport
    assert isinstance(transport, httpx.ASGITransport) and isinstance(transport.app, Litestar)
    return transport.app


async def begin(api: Deliveries, at: datetime) -> None:
    await api.database.system.execute("UPDATE service_checks SET counted_to = date_trunc('minute', $1::timestamptz), checked_at = $1", at)


def exact_percentile(values: Sequence[float], share: float) -> float:
    """Nearest rank."""
    return sorted(values)[max(1, -int(-(share * len(values) - 1e-9) // 1)) - 1]


def is_near(told: float | None, exact: float) -> bool:
    return told is not None and (exact / (1 + ERROR) - 1e-9 <= told <= exact * (1 + ERROR) + 1e-9 or (exact <= FIRST_S and told == FIRST_S))


def counted(level: Any) -> tuple[int, int]:
    return level.figures.delivered, level.figures.dead


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


def test_budgets_and_burn_rates() -> None:
    target = Target(0.99, 1.0)
    tally = Tally(delivered=980, dead=20, late=49)
    assert burn_rate(tally, "success", target) == pytest.approx(2)
    assert burn_rate(tally, "latency", target) == pytest.approx(5)
    assert budget_left(tally, "success", target) == pytest.approx(-1)
    assert burn_rate(Tally(), "success", target) is None and budget_left(Tally(), "success", target) == 1


CLEAN = dict.fromkeys(WINDOWS, Tally(delivered=1000))


@pytest.mark.parametrize("rule", RULES)
def test_a_breach_needs_both_windows_and_enough_that_ended(rule: Any) -> None:
    target = Target(0.99)
    bad = Tally(delivered=800, dead=200)
    assert breach(CLEAN | {rule.long: bad}, target) is None
    assert breach(CLEAN | {rule.short: bad}, target) is None
    found = breach(CLEAN | {rule.long: bad, rule.short: bad}, target)
    assert found is not None and (found.objective, found.rule, found.rate) == ("success", rule, pytest.approx(20))
    late = Tally(delivered=1000, late=200)
    found = breach(CLEAN | {rule.long: late, rule.short: late}, target)
    assert found is not None and found.objective == "latency"
    few = Tally(dead=9)
    assert breach(CLEAN | {rule.long: few, rule.short: few}, target) is None


def test_while_nothing_ends_a_breach_is_not_over() -> None:
    target, bad = Target(0.99), Tally(delivered=800, dead=200)
    assert is_over(CLEAN, target)
    assert not is_over(CLEAN | {RULES[0].long: bad, RULES[0].short: Tally()}, target)
    assert not is_over(dict.fromkeys(WINDOWS, Tally()), target)
    assert is_over(CLEAN | {RULES[0].long: bad, RULES[0].short: Tally(delivered=5)}, target)


async def test_a_project_is_told_once_when_a_target_is_missed_and_once_when_it_is_met_again(api: Deliveries, levels: Levels) -> None:
    made = (await api.endpoint())["id"]
    await levels.end(made, [("delivered", NOON - n * SECOND, 0.1) for n in range(90)])
    await begin(api, NOON - HOUR)
    await levels.check(NOON)
    assert await levels.told() == []
    await levels.end(made, [("dead", NOON + n * SECOND, 0.1) for n in range(10)])
    for seconds in (30, 60, 90):
        await levels.check(NOON + seconds * SECOND)
    [(kind, data)] = await levels.told()
    assert (kind, data["id"], data["objective"], data["window_s"]) == ("service_level.missed", made, "success", 3600)
    assert (data["bad"], data["ended"], data["burn_rate"]) == (10, 100, 100)
    assert (await levels.get(made, "1h", NOON + 90 * SECOND)).missed_since == NOON + 30 * SECOND
    # It answers again, but five minutes must pass without a failure, and half an hour for the slower rule.
    await levels.end(made, [("delivered", NOON + n * MINUTE, 0.1) for n in range(1, 50)])
    await levels.check(NOON + 8 * MINUTE)
    assert await levels.told() == []
    for minutes in (40, 41, 50):
        await levels.check(NOON + minutes * MINUTE)
    [(kind, data)] = await levels.told()
    assert (kind, data["id"]) == ("service_level.met", made)
    assert (await levels.get(made, "1h", NOON + HOUR)).missed_since is None


async def test_what_is_late_for_its_own_target_misses_it(api: Deliveries, levels: Levels) -> None:
    one, other = [(await api.endpoint())["id"] for _ in range(2)]
    await api.ok("PUT", f"/v1/service-levels/{one}", {"p99_s": 1})
    for key in (one, other):
        await levels.end(key, [("delivered", NOON - n * SECOND, 2.0) for n in range(60)])
    await levels.check(NOON)
    [(kind, data)] = await levels.told()
    assert (kind, data["id"], data["objective"], data["bad"]) == ("service_level.missed", one, "latency", 60)


async def test_the_operators_of_a_project_get_a_notification_if_it_has_a_topic_of_them(api: Deliveries, levels: Levels) -> None:
    made = (await api.endpoint())["id"]
    await api.ok("PUT", "/v1/topics/tidings:operators", {})
    await api.ok("PUT", "/v1/topics/tidings:operators/subscribers", {"add": ["alice"]})
    await api.outbox()
    await levels.end(made, [("dead", NOON - n * SECOND, 0.1) for n in range(20)])
    await levels.check(NOON)
    await levels.check(NOON + 30 * SECOND)
    notification, event = await api.outbox()
    assert (notification.type, event.type) == ("notification.created", "service_level.missed")
    shown = msgspec.json.decode(notification.data)
    assert made in shown["title"] and "20 of 20 deliveries failed for good" in shown["body"]
    assert (shown["data"]["id"], shown["category"], shown["priority"]) == (made, "service-levels", "high")
    [row] = await api.database.system.fetch(
        "SELECT s.external_id FROM inbox i JOIN subscribers s ON s.id = i.subscriber WHERE i.id = $1::uuid", notification.notification
    )
    assert row[0] == "alice"


async def test_of_a_deleted_endpoint_nothing_is_told_any_more(api: Deliveries, levels: Levels) -> None:
    made = (await api.endpoint())["id"]
    await levels.end(made, [("dead", NOON - n * SECOND, 0.1) for n in range(20)])
    await levels.check(NOON)
    assert len(await levels.told()) == 1
    await api.ok("DELETE", f"/v1/endpoints/{made}")
    await levels.check(NOON + MINUTE)
    assert await levels.told() == []
    assert await api.database.system.fetchval("SELECT count(*) FROM service_alarms") == 0


async def test_levels_over_http_page_by_page(api: Deliveries, levels: Levels) -> None:
    made = [(await api.endpoint())["id"] for _ in range(3)]
    now = datetime.now(UTC)
    await begin(api, now - HOUR)
    await levels.end(made[1], [("delivered", now - MINUTE, 0.5)] * 3 + [("dead", now - MINUTE, 1.0)])
    await levels.check(now)
    first = await api.ok("GET", "/v1/service-levels?limit=2&window=1h")
    assert [item["key"] for item in first["items"]] == made[:2]
    assert (first["project"]["figures"]["success"], first["connectors"][0]["connector"]) == (0.75, "webhook")
    second = await api.ok("GET", f"/v1/service-levels?limit=2&window=1h&after={first['next']}")
    assert ([item["key"] for item in second["items"]], second["next"], second["project"]) == (made[2:], None, None)
    detail = await api.ok("GET", f"/v1/service-levels/{made[1]}?window=1h")
    assert detail["figures"] == first["items"][1]["figures"] and [point["figures"]["dead"] for point in detail["timeline"]] == [1]
    assert detail["success"]["burn_1h"] == pytest.approx(250) and detail["success"]["left"] == pytest.approx(-249)


async def test_a_target_is_set_and_given_back(api: Deliveries, levels: Levels) -> None:
    made = (await api.endpoint())["id"]
    path = f"/v1/service-levels/{made}"
    assert (await api.ok("GET", path))["target"] == {"success": 0.999, "p99_s": 60, "is_default": True}
    assert await api.ok("PUT", path, {"success": 0.95}) == {"success": 0.95, "p99_s": 60, "is_default": False}
    assert (await api.ok("GET", path))["target"]["success"] == 0.95
    assert (await api.ok("PUT", path, {}))["is_default"]
    assert await api.database.system.fetchval("SELECT count(*) FROM service_targets WHERE project = $1", api.tenant.id) == 0


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "field"),
    [
        ("GET", "?window=2h", None, 422, "window"), ("GET", "/{key}?window=", None, 422, "window"), ("GET", "?after=x", None, 400, "after"),
        ("PUT", "/{key}", {"success": 1}, 422, "success"), ("PUT", "/{key}", {"p99_s": 0}, 422, "p99_s"),
        ("PUT", "/{key}", {"p99": 1}, 422, None), ("PUT", "/ep_x", {}, 404, None), ("GET", "/ep_x", None, 404, None),
        ("GET", "/%00", None, 422, None), ("PUT", "/%00", {}, 422, None),
    ],
)  # fmt: skip
async def test_wrong_requests_are_refused(
    api: Deliveries, levels: Levels, method: str, path: str, body: Any, status: int, field: str | None
) -> None:
    made = (await api.endpoint())["id"]
    answer = await api(method, "/v1/service-levels" + path.format(key=made), body)
    assert answer.status_code == status, answer.text
    assert field is None or answer.json()["field"] == field


async def test_each_operation_asks_for_its_scope(api: Deliveries, levels: Levels) -> None:
    made = (await api.endpoint())["id"]
    nobody, reader = await api.key("endpoints:write"), await api.key("deliveries:read")
    for path in ("/v1/service-levels", f"/v1/service-levels/{made}"):
        assert (await api("GET", path, key=nobody)).json()["scope"] == "deliveries:read"
        assert (await api("GET", path, key=reader)).status_code == 200
    assert (await api("PUT", f"/v1/service-levels/{made}", {}, key=reader)).json()["scope"] == "deliveries:write"


async def test_a_project_sees_nothing_of_another(api: Deliveries, levels: Levels) -> None:
    made = (await api.endpoint())["id"]
    await api.ok("PUT", f"/v1/service-levels/{made}", {"success": 0.9})
    await levels.end(made, [("dead", NOON - 3 * HOUR - n * SECOND, 0.1) for n in range(40)])
    for minutes in range(0, 5, 2):
        await levels.check(NOON - 3 * HOUR + minutes * MINUTE)
    await levels.check(NOON)
    stranger = await api.database.system.fetchval(
        "INSERT INTO projects (key, name, shard) VALUES (md5(random()::text), 'other', 0) RETURNING id"
    )
    for project, seen in ((api.tenant.id, True), (stranger, False)):
        async with tenant_connection(api.database, project) as connection:
            for table in ("service_tallies", "service_targets", "service_alarms"):
                assert bool(await connection.fetchval(f"SELECT count(*) FROM {table}")) == seen, (table, project)
    async with tenant_connection(api.database, stranger) as connection:
        page = await list_levels(connection, api.tenant.id, "24h", None, 100, NOON)
        assert page.items == [] and counted(page.project) == (0, 0)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(
                "INSERT INTO service_targets (destination, project, success, p99_s) VALUES (1, $1, 0.5, 1)", api.tenant.id
            )


async def test_metrics_are_by_connector(api: Deliveries, levels: Levels) -> None:
    made = (await api.endpoint())["id"]
    now = datetime.now(UTC)
    await api.database.system.execute("UPDATE lanes SET due_at = NULL, breaker = 'closed'")
    await api.deliver(made, at=now - HOUR)
    await api.database.system.execute(
        "UPDATE lanes SET due_at = now(), breaker = 'open' WHERE destination = (SELECT id FROM destinations WHERE key = $1)", made
    )
    await levels.check(now)
    assert figure("tidings_deliveries_waiting_seconds") == pytest.approx(3600)
    assert figure("tidings_breakers_open") == 1
    before = [figure("tidings_deliveries_total", outcome=outcome) for outcome in ("delivered", "dead", "pending")]
    results = [result(state, now) for state in ("delivered", "delivered", "dead", "pending")]
    unwritten = result("delivered", now)
    count_settled([*results, unwritten], {one.of.id for one in results}, lambda _: "webhook")
    after = [figure("tidings_deliveries_total", outcome=outcome) for outcome in ("delivered", "dead", "pending")]
    assert [b - a for a, b in zip(before, after, strict=True)] == [2, 1, 0]
    assert figure("tidings_delivery_seconds_bucket", le="2.5") - figure("tidings_delivery_seconds_bucket", le="1.0") >= 2


def figure(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, {"connector": "webhook"} | labels) or 0.0


def result(state: Any, now: datetime) -> Result:
    of = Claimed(str(uuid7()), 1, 0, 1, 1, now, None, "notification.created", now - 2 * SECOND, None, None, None, None, None, None)
    return Result(of, Outcome(kind="delivered", reason="test"), Next(state), now)


@asynccontextmanager
async def serving(app: Litestar) -> AsyncIterator[str]:
    """Its URL, while it is served."""
    server = uvicorn.Server(uvicorn.Config(app, port=free_port(), log_level="warning", lifespan="off"))
    task = asyncio.create_task(server.serve())
    await until(lambda: listens(server.config.port), what="the server listens")
    yield f"http://127.0.0.1:{server.config.port}"
    server.should_exit = True
    await task


async def test_the_command_line_prints_a_table_and_json(api: Deliveries, levels: Levels) -> None:
    made = [(await api.endpoint())["id"] for _ in range(2)]
    now = datetime.now(UTC)
    await begin(api, now - HOUR)
    await levels.end(made[0], [("delivered", now - MINUTE, 0.5)] * 99 + [("dead", now - MINUTE, 1.0)])
    await levels.check(now)
    async with serving(app_of(api)) as url:

        async def tidings_levels(*arguments: str) -> str:
            environment = os.environ | {"TIDINGS_API_KEY": api.secret, "TIDINGS_PUBLIC_URL": url}
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", "from tidings.cli.levels import command; command()", "--url", url, *arguments),
                env=environment, stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
            out, _ = await asyncio.wait_for(process.communicate(), 60)
            assert process.returncode == 0
            return out.decode()

        lines = (await tidings_levels("--window", "1h")).splitlines()
        assert [line.split()[0] for line in lines[1:]] == ["all", "webhook", *made]
        assert "99.000%" in lines[3] and "missed since" in lines[3] and "missed" not in lines[4]
        shown = msgspec.json.decode(await tidings_levels("--json"))
        assert [item["key"] for item in shown["items"]] == made and shown["project"]["figures"]["dead"] == 1
        lines = (await tidings_levels(made[0], "--window", "1h")).splitlines()
        assert lines[0].startswith(made[0]) and len(lines) == 5
