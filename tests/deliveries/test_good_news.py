"""What a breaker hears of an endpoint that most attempts reach: never its failures alone."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from running import until

from deliveries.conftest import Deliveries
from tidings.deliveries.lanes.breaker import LEAST_ATTEMPTS
from tidings.deliveries.ledger.claim import Claimed, claim
from tidings.deliveries.ledger.outcome import Next, Outcome
from tidings.deliveries.ledger.settle import Result
from tidings.deliveries.sending import settler
from tidings.deliveries.sending.settler import Settler


@pytest.fixture(autouse=True)
def late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Good news alone is told after the test."""
    monkeypatch.setattr(settler, "GOOD_NEWS_S", 3600)


async def claimed(api: Deliveries, endpoint: str, count: int) -> list[Claimed]:
    until = datetime.now(UTC) + timedelta(minutes=1)
    ids = [await api.deliver(endpoint, lease_until=until) for _ in range(count)]
    async with api.database.system.acquire() as connection:
        return await claim(connection, ids, "w1")


def result(of: Claimed, kind: Any) -> Result:
    now = datetime.now(UTC)
    following = Next("delivered") if kind == "delivered" else Next("pending", now + timedelta(hours=1))
    return Result(of, Outcome(kind=kind, reason="test"), following, now)


async def test_failures_are_told_together_with_the_successes_they_ended_with(api: Deliveries) -> None:
    made = (await api.endpoint())["id"]
    settling = Settler(api.database.system, lambda _: "webhook")
    for number, one in enumerate(await claimed(api, made, 5 * LEAST_ATTEMPTS)):
        settling.put(result(one, "delivered" if number % 5 else "retry"))
    settling.start()
    await asyncio.wait_for(settling.stop(), 10)
    lane = await api.lane(made)
    # The newest successes may still wait: only failures are told at once.
    assert (lane["breaker"], lane["bad"], lane["good"]) == ("closed", LEAST_ATTEMPTS, 4 * LEAST_ATTEMPTS)


async def test_failures_are_told_after_the_successes_before_them_which_no_lane_had_heard_of(api: Deliveries) -> None:
    made, other = (await api.endpoint())["id"], (await api.endpoint())["id"]
    settling = Settler(api.database.system, lambda _: "webhook")
    settling.start()
    good, of_other = await claimed(api, made, 3 * LEAST_ATTEMPTS), await claimed(api, other, 1)
    for one in (*good, *of_other):
        settling.put(result(one, "delivered"))
    await until(lambda: delivered(api, good), what="the successes are written")
    assert (await api.lane(made))["good"] == 0
    for one in await claimed(api, made, LEAST_ATTEMPTS):
        settling.put(result(one, "retry"))
    await asyncio.wait_for(settling.stop(), 10)
    lane = await api.lane(made)
    assert (lane["breaker"], lane["bad"], lane["good"]) == ("closed", LEAST_ATTEMPTS, 3 * LEAST_ATTEMPTS)
    # Nothing was wrong there, so it can wait; and what was told once is not told again.
    assert (await api.lane(other))["good"] == 0
    assert {lane: len(news) for lane, news in settling.good.items()} == {of_other[0].destination: 1}


async def delivered(api: Deliveries, good: list[Claimed]) -> bool:
    return {(await api.row(one.id))["state"] for one in good} == {"delivered"}
