"""Targets of service levels: what misses one, when it is met again, and who is told."""

from typing import Any

import msgspec
import pytest

from deliveries.conftest import Deliveries
from deliveries.levels_ground import HOUR, MINUTE, NOON, SECOND, Levels, begin, levels
from tidings.deliveries.levels.objectives import RULES, WINDOWS, Tally, Target, breach, budget_left, burn_rate, is_over

__all__ = ["levels"]


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
    assert found is not None and (found.objective, found.rule) == ("success", rule) and found.rate == pytest.approx(20)
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
