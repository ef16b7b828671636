"""A ledger of one's own: what planner and workers do to it, one step at a time. A clock is an argument."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deliveries.conftest import Deliveries
from tidings.deliveries.ledger.claim import AttemptKey, Claimed, claim
from tidings.deliveries.ledger.dispatch import dispatch
from tidings.deliveries.ledger.hold import hold_next
from tidings.deliveries.ledger.lost import take_back
from tidings.deliveries.ledger.outcome import Outcome, next_of
from tidings.deliveries.ledger.plan import plan_next
from tidings.deliveries.ledger.settle import Result, settle
from tidings.deliveries.ledger.wanted import Wishes

SECOND = timedelta(seconds=1)


class Ledger:
    """What the planner and the workers do, one step at a time."""

    def __init__(self, api: Deliveries) -> None:
        self.api = api
        self.wishes = Wishes()
        self.now = datetime.now(UTC)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        async with self.api.database.system.acquire() as connection:
            yield connection

    async def happen(self, kind: str = "notification.created", **data: Any) -> None:
        """An event of the project in the log, as the sequencer writes it."""
        tenant = self.api.tenant
        async with self.connection() as connection, connection.transaction():
            position = await connection.fetchval("UPDATE shards SET head = head + 1 WHERE shard = $1 RETURNING head", tenant.shard)
            await connection.execute(
                """INSERT INTO events (shard, position, project, type, notification, recipients, everyone, data, actor, accepted_at,
                    created_at)
                VALUES ($1, $2, $3, $4, gen_random_uuid(), '{1,2}', false, $5, 'key:test', now(), clock_timestamp())""",
                tenant.shard, position, tenant.id, kind, json.dumps({"id": "n", "title": "t"} | data),
            )  # fmt: skip

    async def plan(self, connection: Any = None) -> int:
        """How many deliveries were planned."""
        planned = 0
        async with self.connection() as own:
            while True:
                answer = await plan_next(connection or own, self.api.tenant.shard, self.wishes)
                planned += answer.deliveries
                if answer.is_all:
                    return planned

    async def dispatch(self, most_out: int = 1000, later: timedelta = timedelta(0)) -> list[str]:
        async with self.connection() as connection:
            return (await dispatch(connection, datetime.now(UTC) + later, most_out)).ids

    async def claim(self, ids: Sequence[str], worker: str = "w1") -> list[Claimed]:
        async with self.connection() as connection:
            return await claim(connection, ids, worker)

    async def settle(
        self, claimed: Sequence[Claimed], kind: Any = "delivered", schedule: Sequence[int] = (60,), **more: Any
    ) -> set[AttemptKey]:
        outcome = Outcome(kind=kind, reason="test", **more)
        now = datetime.now(UTC)
        results = [Result(one, outcome, next_of(outcome, one.number - one.round, schedule, now, lambda: 0.5), now) for one in claimed]
        async with self.connection() as connection:
            return await settle(connection, results)

    async def take_back(self, later: timedelta, never_twice: Sequence[str] = ()) -> bool:
        async with self.connection() as connection:
            return await take_back(connection, datetime.now(UTC) + later, never_twice)

    async def hold(self) -> None:
        async with self.connection() as connection:
            while await hold_next(connection):
                pass

    async def rows(self) -> list[Any]:
        sql = "SELECT * FROM deliveries WHERE project = $1 ORDER BY position, id"
        return list(await self.api.database.system.fetch(sql, self.api.tenant.id))

    async def states(self) -> list[str]:
        return [row["state"] for row in await self.rows()]

    async def one_planned(self) -> None:
        """An event, for a new endpoint that wants it."""
        await self.api.endpoint()
        await self.happen()
        await self.plan()

    async def attempts(self) -> list[tuple[int, str | None]]:
        sql = "SELECT number, outcome FROM attempts WHERE project = $1 ORDER BY delivery, number"
        return [tuple(row) for row in await self.api.database.system.fetch(sql, self.api.tenant.id)]


@pytest.fixture
async def ledger(api: Deliveries) -> Ledger:
    ledger = Ledger(api)
    # What other tests left in these shards is none of this one's business.
    await api.database.system.execute("UPDATE planned SET position = head FROM shards WHERE shards.shard = planned.shard")
    await api.database.system.execute("UPDATE lanes SET due_at = NULL")
    await api.database.system.execute("UPDATE deliveries SET lease_until = NULL")
    return ledger
