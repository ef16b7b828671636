"""A process that is killed at any statement leaves a ledger that others go on with."""

from datetime import UTC, datetime
from typing import Any

import pytest

from deliveries.conftest import Deliveries
from deliveries.ledger_ground import SECOND, Ledger, ledger
from tidings.deliveries.ledger.claim import claim
from tidings.deliveries.ledger.dispatch import dispatch
from tidings.deliveries.ledger.outcome import Next, Outcome
from tidings.deliveries.ledger.plan import plan_next
from tidings.deliveries.ledger.settle import Result, settle

__all__ = ["ledger"]


class Crash(Exception):
    pass


class Fragile:
    """A connection that breaks at its n-th statement: before it, or after it was done and before its answer came."""

    def __init__(self, connection: Any, crash_at: int, after: bool) -> None:
        self.connection = connection
        self.left = crash_at
        self.after = after

    def transaction(self) -> Any:
        return self.connection.transaction()

    def __getattr__(self, name: str) -> Any:
        async def statement(*arguments: Any) -> Any:
            self.left -= 1
            if self.left == 0 and not self.after:
                raise Crash
            answer = await getattr(self.connection, name)(*arguments)
            if self.left == 0:
                raise Crash
            return answer

        return statement


async def step_through(ledger: Ledger, connection: Any) -> None:
    """One event's whole way: planned, leased, claimed, failed once, leased again, delivered."""
    now = datetime.now(UTC)
    await plan_next(connection, ledger.api.tenant.shard, ledger.wishes)
    for kind, later in (("retry", 0), ("delivered", 120)):
        ids = (await dispatch(connection, now + later * SECOND)).ids
        claimed = await claim(connection, ids, "w1")
        outcome = Outcome(kind=kind, reason="test")  # type: ignore[arg-type]
        await settle(
            connection, [Result(one, outcome, Next("delivered") if kind == "delivered" else Next("pending", now), now) for one in claimed]
        )


@pytest.mark.parametrize("after", [False, True])
async def test_killed_at_any_statement_it_is_delivered_in_the_end_and_stands_in_the_ledger_once(
    api: Deliveries, ledger: Ledger, after: bool
) -> None:
    await api.endpoint()
    crashes = 0
    for crash_at in range(1, 100):
        await ledger.happen()
        try:
            async with ledger.connection() as connection:
                await step_through(ledger, Fragile(connection, crash_at, after))
        except Crash:
            crashes += 1
        else:
            break
        # Whoever comes after it: plans what was not planned, takes back what nobody holds, and delivers.
        await ledger.plan()
        for later in (20, 200, 400):
            await ledger.take_back(later * SECOND)
            await ledger.settle(await ledger.claim(await ledger.dispatch(later=later * SECOND), "w2"))
        assert await ledger.states() == ["delivered"] * crash_at, f"killed at statement {crash_at}"
    assert crashes > 12
