"""A worker whose clock is wrong writes the times of PostgreSQL's: waits are as long as they should be, whatever it takes the time for."""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import pytest

from deliveries.conftest import Deliveries
from tidings.deliveries.ledger import settle as settling
from tidings.deliveries.ledger.claim import Claimed, claim, renew
from tidings.deliveries.ledger.outcome import Outcome, next_of
from tidings.deliveries.ledger.settle import Result, settle

SECOND = timedelta(seconds=1)
# Between the moments that a test compares lies a statement or two.
SLACK = 10 * SECOND


@pytest.fixture(params=[-1, 1], ids=["behind", "ahead"])
def workers_now(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> datetime:
    """The time by the clock of a worker that is an hour wrong."""
    wrong_by = timedelta(hours=request.param)

    class Wrong(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return datetime.now(tz) + wrong_by

    monkeypatch.setattr(settling, "datetime", Wrong)
    return datetime.now(UTC) + wrong_by


async def claimed(api: Deliveries, endpoint: str) -> Claimed:
    identity = await api.deliver(endpoint, lease_until=datetime.now(UTC) + timedelta(minutes=1))
    async with api.database.system.acquire() as connection:
        [one] = await claim(connection, [identity], "w1")
    return one


async def settled(api: Deliveries, one: Claimed, now: datetime, **outcome: Any) -> Any:
    """The row of the attempt."""
    ended = Outcome(**{"kind": "retry", "reason": "test"} | outcome)
    async with api.database.system.acquire() as connection:
        await settle(connection, [Result(one, ended, next_of(ended, 1, (60,), now, lambda: 0.5), now)])
        return await connection.fetchrow("SELECT * FROM attempts WHERE delivery = $1::uuid", one.id)


async def test_an_attempt_ends_now_and_the_next_one_comes_after_the_wait(api: Deliveries, workers_now: datetime) -> None:
    one = await claimed(api, (await api.endpoint())["id"])
    attempt, delivery = await settled(api, one, workers_now), await api.row(one.id)
    assert abs(attempt["ended_at"] - datetime.now(UTC)) < SLACK
    assert attempt["ended_at"] > attempt["started_at"] - SECOND
    assert abs(attempt["next_attempt_at"] - attempt["ended_at"] - 60 * SECOND) < SECOND
    assert delivery["next_attempt_at"] == attempt["next_attempt_at"]


async def test_a_delivery_that_arrived_is_finished_now(api: Deliveries, workers_now: datetime) -> None:
    one = await claimed(api, (await api.endpoint())["id"])
    await settled(api, one, workers_now, kind="delivered")
    assert abs((await api.row(one.id))["finished_at"] - datetime.now(UTC)) < SLACK


async def test_a_receiver_gets_the_pause_that_it_asked_for(api: Deliveries, workers_now: datetime) -> None:
    made = (await api.endpoint())["id"]
    one = await claimed(api, made)
    await settled(api, one, workers_now, slow_down=True, retry_after=workers_now + 40 * SECOND)
    assert abs((await api.lane(made))["next_slot"] - datetime.now(UTC) - 40 * SECOND) < SLACK


async def test_what_fails_is_failing_since_now(api: Deliveries, workers_now: datetime) -> None:
    made = (await api.endpoint())["id"]
    await settled(api, await claimed(api, made), workers_now)
    assert abs((await api.lane(made))["failing_since"] - datetime.now(UTC)) < SLACK


async def test_a_lease_is_renewed_by_postgresqls_clock(api: Deliveries) -> None:
    one = await claimed(api, (await api.endpoint())["id"])
    async with api.database.system.acquire() as connection:
        await renew(connection, [one.id], 10 * SECOND)
        left = await connection.fetchval("SELECT lease_until - clock_timestamp() FROM deliveries WHERE id = $1::uuid", one.id)
    assert 8 * SECOND < left <= 10 * SECOND
