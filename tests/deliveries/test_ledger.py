"""The ledger's own rules, statement by statement on a real PostgreSQL. A clock is an argument."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deliveries.conftest import Deliveries
from tidings.access.projects import create_project
from tidings.deliveries.lanes.report import report
from tidings.deliveries.ledger.claim import AttemptKey, Claimed, claim
from tidings.deliveries.ledger.dispatch import LEASE, dispatch
from tidings.deliveries.ledger.hold import hold_next
from tidings.deliveries.ledger.lost import take_back
from tidings.deliveries.ledger.outcome import Next, Outcome, next_of
from tidings.deliveries.ledger.plan import plan_next
from tidings.deliveries.ledger.settle import Result, settle
from tidings.deliveries.ledger.wanted import Wishes
from tidings.deliveries.sending.settler import Settler

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


async def test_each_event_is_planned_once_for_each_endpoint_that_wants_it(api: Deliveries, ledger: Ledger) -> None:
    await api.endpoint()
    await api.endpoint(events=["inbox.*"])
    await ledger.happen()
    await ledger.happen("inbox.read")
    await ledger.happen("key.created")
    assert await ledger.plan() == 2
    assert await ledger.plan() == 0
    assert [row["type"] for row in await ledger.rows()] == ["notification.created", "inbox.read"]


async def test_an_endpoint_that_is_made_while_the_planner_runs_is_heard_of_through_the_log(api: Deliveries, ledger: Ledger) -> None:
    await ledger.happen()
    assert await ledger.plan() == 0
    await api.endpoint()
    await ledger.happen("endpoint.created")
    await ledger.happen()
    assert await ledger.plan() == 1


async def test_a_planner_that_is_killed_before_its_commit_leaves_nothing_and_the_next_one_plans_it(api: Deliveries, ledger: Ledger) -> None:
    await api.endpoint()
    await ledger.happen()
    async with ledger.connection() as connection:
        whole = connection.transaction()
        await whole.start()
        assert await ledger.plan(connection) == 1
        await whole.rollback()
    assert await ledger.rows() == []
    assert await ledger.plan() == 1


async def test_while_one_planner_has_a_shard_another_leaves_it_alone(api: Deliveries, ledger: Ledger) -> None:
    await api.endpoint()
    await ledger.happen()
    async with ledger.connection() as connection, connection.transaction():
        assert await ledger.plan(connection) == 1
        assert await ledger.plan() == 0
    assert len(await ledger.rows()) == 1


async def test_what_is_leased_is_not_leased_again_until_its_lease_runs_out(api: Deliveries, ledger: Ledger) -> None:
    await api.endpoint()
    await ledger.happen()
    await ledger.plan()
    [identity] = await ledger.dispatch()
    assert await ledger.dispatch(later=SECOND) == []
    assert not await ledger.take_back(LEASE - SECOND)
    assert await ledger.take_back(LEASE + SECOND)
    assert await ledger.dispatch(later=LEASE + 2 * SECOND) == [identity]
    # Nobody had begun, so nothing counts as an attempt.
    assert await ledger.attempts() == []


async def test_a_delivery_is_attempted_by_one_worker_whatever_is_queued_twice(api: Deliveries, ledger: Ledger) -> None:
    await api.endpoint()
    await ledger.happen()
    await ledger.plan()
    ids = await ledger.dispatch()
    assert len(await ledger.claim(ids, "w1")) == 1
    assert await ledger.claim(ids, "w2") == []


async def test_a_worker_that_was_given_up_for_lost_writes_nothing_when_it_comes_back(api: Deliveries, ledger: Ledger) -> None:
    await api.endpoint()
    await ledger.happen()
    await ledger.plan()
    lost = await ledger.claim(await ledger.dispatch(), "w1")
    assert await ledger.take_back(LEASE + SECOND)
    taken_over = await ledger.claim(await ledger.dispatch(later=LEASE + 2 * SECOND), "w2")
    assert await ledger.settle(lost, "refused") == set()
    assert len(await ledger.settle(taken_over)) == 1
    assert await ledger.states() == ["delivered"]
    assert await ledger.attempts() == [(1, "lost"), (2, "delivered")]
    # A lost attempt uses up none of the schedule.
    assert taken_over[0].number - taken_over[0].round == 1


async def test_of_two_attempts_of_a_delivery_that_end_together_the_one_that_was_given_up_counts_for_nothing(
    api: Deliveries, ledger: Ledger
) -> None:
    await api.endpoint()
    await ledger.happen()
    await ledger.plan()
    [lost] = await ledger.claim(await ledger.dispatch())
    assert await ledger.take_back(LEASE + SECOND)
    [again] = await ledger.claim(await ledger.dispatch(later=LEASE + 2 * SECOND))
    assert await ledger.settle([lost, again]) == {again.key}


@pytest.mark.parametrize("is_held", [False, True])
async def test_what_was_given_up_for_lost_ends_as_its_worker_says_when_nobody_took_it_over(
    api: Deliveries, ledger: Ledger, is_held: bool
) -> None:
    """PostgreSQL was away for longer than a lease: how it ended was known all the time."""
    await api.endpoint()
    await ledger.happen()
    await ledger.happen()
    await ledger.plan()
    arrived, failed = await ledger.claim(await ledger.dispatch())
    assert await ledger.take_back(LEASE + SECOND, never_twice=["webhook"] if is_held else [])
    assert await ledger.states() == ["held" if is_held else "pending"] * 2
    queued = await ledger.dispatch(later=LEASE + 2 * SECOND)
    assert len(await ledger.settle([arrived])) == len(await ledger.settle([failed], "retry")) == 1
    assert await ledger.claim(queued) == []
    assert set(await ledger.attempts()) == {(1, "delivered"), (1, "retry")}
    assert {str(row["id"]): (row["state"], row["attempts"] - row["round"]) for row in await ledger.rows()} == {
        arrived.id: ("delivered", 1),
        failed.id: ("pending", 1),
    }
    assert await ledger.dispatch(later=59 * SECOND) == []
    assert await ledger.dispatch(later=61 * SECOND) == [failed.id]


async def test_a_failed_one_is_due_when_the_schedule_says(api: Deliveries, ledger: Ledger) -> None:
    await api.endpoint()
    await ledger.happen()
    await ledger.plan()
    ids = await ledger.dispatch()
    await ledger.settle(await ledger.claim(ids), "retry")
    assert await ledger.dispatch(later=59 * SECOND) == []
    assert await ledger.dispatch(later=61 * SECOND) == ids


async def test_no_more_are_out_at_once_than_an_endpoint_allows(api: Deliveries, ledger: Ledger) -> None:
    await api.endpoint(at_once=3)
    for _ in range(5):
        await ledger.happen()
    await ledger.plan()
    first = await ledger.dispatch()
    assert len(first) == 3
    assert await ledger.dispatch() == []
    await ledger.settle((await ledger.claim(first))[:1])
    assert len(await ledger.dispatch()) == 1


async def test_what_is_free_is_shared_between_projects(api: Deliveries, ledger: Ledger) -> None:
    other = await create_project(api.database, "other", 2)
    while other[0].shard != api.tenant.shard:
        other = await create_project(api.database, "other", 2)
    for _ in range(4):
        await api.endpoint(at_once=200)
    for _ in range(30):
        await ledger.happen()
    await ledger.plan()
    quiet = await api.ok("POST", "/v1/endpoints", {"url": "https://quiet.example", "events": ["*"]}, key=other[1])
    one = await api.database.system.fetchval("SELECT id FROM destinations WHERE key = $1", quiet["id"])
    await api.database.system.execute(
        """INSERT INTO deliveries (id, project, destination, type, shard, position, event_at, accepted_at, next_attempt_at)
        SELECT gen_random_uuid(), $1, $2, 'notification.created', 0, 1, now(), now(), now() FROM generate_series(1, 5)""",
        other[0].id, one,
    )  # fmt: skip
    await api.database.system.execute("UPDATE lanes SET due_at = now() WHERE destination = $1", one)
    leased = await ledger.dispatch(most_out=20)
    of_quiet = await api.database.system.fetchval("SELECT count(*) FROM deliveries WHERE destination = $1 AND lease_until IS NOT NULL", one)
    assert of_quiet == 5
    assert len(leased) <= 20


async def test_a_lane_with_more_than_it_may_send_keeps_out_none_that_has_waited_longer(
    api: Deliveries, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tidings.deliveries.ledger.dispatch.MOST_LANES", 1)
    busy = await api.endpoint()
    _, key = await create_project(api.database, "other", 2)
    quiet = await api.ok("POST", "/v1/endpoints", {"url": "https://quiet.example", "events": ["*"]}, key=key)
    for endpoint, deliveries in ((busy["id"], 30), (quiet["id"], 1)):
        for _ in range(deliveries):
            await api.deliver(endpoint, next_attempt_at=datetime.now(UTC))
    lanes = [(await api.lane(endpoint["id"]))["destination"] for endpoint in (busy, quiet)]
    await api.database.system.execute("UPDATE lanes SET due_at = now() WHERE destination = ANY ($1)", lanes)
    leased = [await ledger.dispatch(most_out=8) for _ in range(2)]
    assert [(await api.row(batch[0]))["destination"] for batch in leased] == lanes


async def test_an_open_breaker_burns_no_attempts_and_one_probe_closes_it(api: Deliveries, ledger: Ledger) -> None:
    endpoint = await api.endpoint(at_once=50)
    for _ in range(30):
        await ledger.happen()
    await ledger.plan()
    first = await ledger.claim((await ledger.dispatch())[:12])
    await ledger.settle(first, "retry")
    assert (await api.lane(endpoint["id"]))["breaker"] == "open"
    await ledger.take_back(LEASE + SECOND)
    assert await ledger.dispatch(later=SECOND) == []
    probe = await ledger.dispatch(later=16 * SECOND)
    assert len(probe) == 1
    assert await ledger.dispatch(later=18 * SECOND) == []
    await ledger.settle(await ledger.claim(probe))
    # What went well is told to the lane by the worker, a moment later.
    async with ledger.connection() as connection, connection.transaction():
        await report(connection, {first[0].destination: [Outcome(kind="delivered", reason="test")]}, ledger.now)
    assert (await api.lane(endpoint["id"]))["breaker"] == "closed"
    assert len(await ledger.dispatch(later=19 * SECOND)) > 1


async def test_those_of_one_key_wait_for_the_one_before(api: Deliveries, ledger: Ledger) -> None:
    await api.endpoint(order_by="account")
    for account in ("a", "a", "b", "a"):
        await ledger.happen(account=account)
    await ledger.plan()
    leased = await ledger.dispatch()
    positions = {row["id"]: row["position"] for row in await ledger.rows()}
    first, _, of_b, _ = sorted(positions.values())
    claimed = {one.order_key: one for one in await ledger.claim(leased)}
    assert claimed.keys() == {"a", "b"}
    assert {positions[row["id"]] for row in await ledger.rows() if str(row["id"]) in leased} == {first, of_b}
    await ledger.settle([claimed["a"]], "retry")
    assert await ledger.dispatch() == []
    again = await ledger.dispatch(later=61 * SECOND)
    assert again == [claimed["a"].id]
    await ledger.settle(await ledger.claim(again))
    assert len(await ledger.dispatch()) == 1


async def test_what_waits_for_a_disabled_endpoint_is_held_and_for_a_deleted_one_cancelled(api: Deliveries, ledger: Ledger) -> None:
    endpoint = await api.endpoint()
    for _ in range(3):
        await ledger.happen()
    await ledger.plan()
    await api.ok("POST", f"/v1/endpoints/{endpoint['id']}/disable")
    await ledger.hold()
    assert await ledger.states() == ["held"] * 3
    await api.ok("DELETE", f"/v1/endpoints/{endpoint['id']}")
    await ledger.hold()
    assert await ledger.states() == ["cancelled"] * 3


async def test_a_cancelled_one_that_arrived_all_the_same_is_delivered(api: Deliveries, ledger: Ledger) -> None:
    await api.endpoint()
    await ledger.happen()
    await ledger.happen()
    await ledger.plan()
    claimed = await ledger.claim(await ledger.dispatch())
    await api.database.system.execute("UPDATE deliveries SET state = 'cancelled' WHERE project = $1", api.tenant.id)
    await ledger.settle(claimed[:1])
    await ledger.settle(claimed[1:], "retry")
    assert sorted(await ledger.states()) == ["cancelled", "delivered"]


async def test_a_halted_connector_leases_nothing_and_what_was_queued_is_not_claimed(api: Deliveries, ledger: Ledger) -> None:
    await api.endpoint()
    await ledger.happen()
    await ledger.happen()
    await ledger.plan()
    queued = await ledger.dispatch(most_out=1)
    await api.database.system.execute("INSERT INTO halts (connector) VALUES ('webhook')")
    try:
        assert await ledger.dispatch() == []
        assert await ledger.claim(queued) == []
    finally:
        await api.database.system.execute("DELETE FROM halts")
    assert len(await ledger.dispatch()) == 2


async def test_what_cannot_be_written_holds_up_no_other_and_is_settled_without_it(api: Deliveries, ledger: Ledger) -> None:
    await api.endpoint()
    await ledger.happen()
    await ledger.happen()
    await ledger.plan()
    now = datetime.now(UTC)
    odd, good = await ledger.claim(await ledger.dispatch())
    settler = Settler(api.database.system, lambda _: None)
    # No column holds such a status.
    settler.put(Result(odd, Outcome(kind="delivered", reason="http", status=10**6), Next("delivered"), now))
    settler.put(Result(good, Outcome(kind="delivered", reason="http_200", status=200), Next("delivered"), now))
    settler.start()
    await asyncio.wait_for(settler.stop(), 10)
    assert {str(row["id"]): (row["state"], row["reason"]) for row in await ledger.rows()} == {
        odd.id: ("delivered", "unwritable"),
        good.id: ("delivered", "http_200"),
    }


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
