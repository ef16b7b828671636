"""What a worker does between a job and the ledger, in this process: nothing counts as an attempt that was not made, and what was made is
held until it is written.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from typing import Any, cast

import asyncpg
import pytest
from running import until

from deliveries.conftest import Deliveries
from deliveries.ledger_ground import SECOND, Ledger, ledger
from tidings.deliveries.connectors.connector import Destination, Reach
from tidings.deliveries.ledger.claim import Claimed
from tidings.deliveries.ledger.dispatch import LEASE
from tidings.deliveries.ledger.outcome import Outcome
from tidings.deliveries.sending import sender as sending
from tidings.deliveries.sending.sender import Sender
from tidings.vault import load_vault

__all__ = ["ledger"]

SOMEBODY_WAITS = "SELECT count(*) FROM pg_locks WHERE NOT granted AND transactionid::text = pg_current_xact_id_if_assigned()::text"
SEAL = "UPDATE destinations SET secrets = $2, updated_at = now() WHERE key = $1"


class Arriving:
    """A connector whose far end takes everything. answers: cleared, it waits with saying so."""

    name = "webhook"
    schedule = (60, 60)
    most_together = 1

    def __init__(self) -> None:
        self.answers = asyncio.Event()
        self.answers.set()

    async def send(self, reach: Reach, destination: Destination, deliveries: Sequence[Claimed]) -> list[Outcome]:
        await self.answers.wait()
        return [Outcome(kind="delivered", reason="http_200", status=200)] * len(deliveries)


class Holding(Arriving):
    """Answers an attempt when it may, by its number."""

    def __init__(self) -> None:
        super().__init__()
        self.may_answer = defaultdict[int, asyncio.Event](asyncio.Event)

    async def send(self, reach: Reach, destination: Destination, deliveries: Sequence[Claimed]) -> list[Outcome]:
        await self.may_answer[deliveries[0].number].wait()
        return await super().send(reach, destination, deliveries)


@asynccontextmanager
async def worker(api: Deliveries, pool: Any = None, far_end: Arriving | None = None) -> AsyncIterator[Sender]:
    """One that knows no destination and no key yet. pool: in place of the usual one, for claiming."""
    reach = Reach(cast(Any, None), api.database.system, load_vault(api.settings), "")
    sender = Sender("w1", reach, {"webhook": cast(Any, far_end or Arriving())})
    sender.start()
    sender.pool = pool or sender.pool
    try:
        yield sender
    finally:
        await asyncio.wait_for(sender.stop(), 20)


class Ending:
    """A pool whose connections end, as when PostgreSQL does, just before the n-th statement on them."""

    def __init__(self, pool: asyncpg.Pool, end_at: int) -> None:
        self.pool = pool
        self.left = end_at

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Any]:
        async with self.pool.acquire() as connection:
            self.connection = connection
            yield self

    def transaction(self) -> Any:
        return self.connection.transaction()

    def __getattr__(self, name: str) -> Any:
        async def statement(*arguments: Any) -> Any:
            self.left -= 1
            if self.left == 0:
                await self.connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
            return await getattr(self.connection, name)(*arguments)

        return statement


async def test_a_postgresql_that_goes_away_before_an_attempt_leaves_no_trace_of_one(api: Deliveries, ledger: Ledger) -> None:
    await api.endpoint()
    endings = 0
    for end_at in range(1, 20):
        await ledger.happen()
        await ledger.plan()
        pool = Ending(api.database.system, end_at)
        async with worker(api, pool) as sender:
            await sender.deliver(await ledger.dispatch())
        if pool.left > 0:
            break
        endings += 1
        assert len(await ledger.attempts()) == end_at - 1, f"ended before statement {end_at}"
        await ledger.take_back(LEASE + SECOND)
        async with worker(api) as sender:
            await sender.deliver(await ledger.dispatch(later=LEASE + 2 * SECOND))
        assert await ledger.attempts() == [(1, "delivered")] * end_at
    # Claimed, its destination read, and the key of its project.
    assert endings == 3


async def test_what_cannot_be_opened_waits_and_uses_up_neither_its_schedule_nor_its_destination(api: Deliveries, ledger: Ledger) -> None:
    endpoint = (await api.endpoint())["id"]
    await ledger.happen()
    await ledger.plan()
    kept = await api.database.system.fetchval("SELECT secrets FROM destinations WHERE key = $1", endpoint)
    later = 0 * SECOND
    for sealed in (b"under another key", b"", b"?"):
        await api.database.system.execute(SEAL, endpoint, sealed)
        async with worker(api) as sender:
            await sender.deliver(await ledger.dispatch(later=later))
        later += 400 * SECOND
    assert await ledger.attempts() == [(1, "retry"), (2, "retry"), (3, "retry")]
    assert [row["reason"] for row in await ledger.rows()] == ["sealed"]
    lane = await api.lane(endpoint)
    assert (lane["failures"], lane["failing_since"], lane["bad"]) == (0, None, 0)

    await api.database.system.execute(SEAL, endpoint, kept)
    [claimed] = await ledger.claim(await ledger.dispatch(later=later))
    assert (claimed.number, claimed.number - claimed.round) == (4, 1)


async def test_an_attempt_that_ended_is_held_until_it_is_written(api: Deliveries, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "RENEW_S", 0.05)
    await ledger.one_planned()
    far_end = Arriving()
    far_end.answers.clear()

    async def has_ended() -> bool:
        return not sender.under_way

    async with worker(api, far_end=far_end) as sender, ledger.connection() as connection:
        await sender.deliver(await ledger.dispatch())
        async with connection.transaction():
            # Whoever settles it waits for this.
            await connection.execute("SELECT FROM attempts WHERE project = $1 FOR UPDATE", api.tenant.id)
            far_end.answers.set()
            await until(has_ended)
            await renewed(ledger)
    assert await ledger.attempts() == [(1, "delivered")]


async def renewed(ledger: Ledger) -> None:
    """Twice, so that it is still held now."""

    async def since(last: datetime) -> bool:
        return (await ledger.rows())[0]["lease_until"] not in (last, None)

    for _ in range(2):
        await until(partial(since, (await ledger.rows())[0]["lease_until"]), what="renewed")


async def test_a_worker_that_takes_over_from_itself_holds_each_attempt_until_it_ends(
    api: Deliveries, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL was out of its reach for longer than a lease, while an attempt went on."""
    monkeypatch.setattr(sending, "RENEW_S", 0.05)
    await ledger.one_planned()
    far_end = Holding()

    async def one_has_ended() -> bool:
        return len(sender.under_way) == 1

    async with worker(api, far_end=far_end) as sender:
        await sender.deliver(await ledger.dispatch())
        assert await ledger.take_back(LEASE + SECOND)
        await sender.deliver(await ledger.dispatch(later=LEASE + 2 * SECOND))
        far_end.may_answer[1].set()
        await until(one_has_ended)
        await renewed(ledger)
        far_end.may_answer[2].set()
    assert await ledger.attempts() == [(1, "lost"), (2, "delivered")]
    assert await ledger.states() == ["delivered"]


async def test_what_is_being_claimed_when_a_worker_is_told_to_stop_is_sent_and_written_and_nothing_after_it(
    api: Deliveries, ledger: Ledger
) -> None:
    await ledger.one_planned()
    ids = await ledger.dispatch()
    async with worker(api) as sender, ledger.connection() as connection:
        held = connection.transaction()
        await held.start()
        # Whoever claims it waits for this.
        await connection.execute("INSERT INTO attempts (delivery, number, project, destination, worker) VALUES ($1, 1, 0, 0, '')", ids[0])
        claiming = asyncio.create_task(sender.deliver(ids))
        await until(partial(connection.fetchval, SOMEBODY_WAITS), what="it claims")
        stopping = asyncio.create_task(sender.stop())
        await asyncio.sleep(0)
        await held.rollback()
        await claiming
        await stopping
        await ledger.happen()
        await ledger.plan()
        await sender.deliver(await ledger.dispatch())
    assert await ledger.attempts() == [(1, "delivered")]


async def test_who_waits_for_room_when_a_worker_is_told_to_stop_claims_nothing(
    api: Deliveries, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "MOST_UNDER_WAY", 1)
    await api.endpoint()
    await ledger.happen()
    await ledger.happen()
    await ledger.plan()
    first, second = await ledger.dispatch()
    far_end = Arriving()
    far_end.answers.clear()
    async with worker(api, far_end=far_end) as sender:
        await sender.deliver([first])
        waiting = asyncio.create_task(sender.deliver([second]))
        stopping = asyncio.create_task(sender.stop())
        await asyncio.sleep(0)
        far_end.answers.set()
        await waiting
        await stopping
    assert await ledger.attempts() == [(1, "delivered")]
