"""The ids of deliveries that go in order rise with the log, whatever the clocks of planners say."""

import time
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from deliveries.conftest import Deliveries
from tidings.deliveries.ledger.claim import claim
from tidings.deliveries.ledger.dispatch import dispatch
from tidings.deliveries.ledger.outcome import Next, Outcome
from tidings.deliveries.ledger.settle import Result, settle
from tidings.deliveries.ledger.write import Plan, wake, write
from tidings.events.entry import LogEvent
from tidings.platform import ids

BEHIND_NS = 5_000_000_000


class Line:
    """An endpoint that gets one after another, and who plans, sends and settles for it."""

    def __init__(self, api: Deliveries, endpoint: str, destination: int) -> None:
        self.api = api
        self.endpoint = endpoint
        self.destination = destination

    async def plan(self, *positions: int) -> None:
        now = datetime.now(UTC)
        events = [
            LogEvent(position, self.api.tenant.id, "inbox.read", str(uuid4()), None, None, False, "{}", None, "key:test", now, now)
            for position in positions
        ]
        plans = [Plan(event, self.destination, "a", leads=event is events[0]) for event in events]
        async with self.api.database.system.acquire() as connection, connection.transaction():
            await wake(connection, plans, await write(connection, self.api.tenant.shard, plans))

    async def send(self) -> list[int]:
        """What goes now, by position; all of it is delivered."""
        now = datetime.now(UTC)
        async with self.api.database.system.acquire() as connection:
            claimed = await claim(connection, (await dispatch(connection, now)).ids, "w1")
            outcome = Outcome(kind="delivered", reason="test")
            await settle(connection, [Result(one, outcome, Next("delivered"), now) for one in claimed])
        return [(await self.api.row(one.id))["position"] for one in claimed]


@pytest.fixture
async def line(api: Deliveries) -> Line:
    await api.database.system.execute("UPDATE lanes SET due_at = NULL")
    endpoint = (await api.endpoint(order_by="endpoint", at_once=5))["id"]
    return Line(api, endpoint, (await api.lane(endpoint))["destination"])


async def test_a_planner_whose_clock_is_behind_puts_nothing_before_what_another_planned(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    await line.plan(1, 2)
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() - BEHIND_NS)
    # As of a process that has given no id yet.
    monkeypatch.setattr(ids, "_last", 0)
    await line.plan(3, 4)
    assert [await line.send() for _ in range(4)] == [[1], [2], [3], [4]]
