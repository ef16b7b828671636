"""The ledger's own rules, statement by statement on a real PostgreSQL. A clock is an argument."""

import asyncio
from datetime import UTC, datetime

import pytest

from deliveries.conftest import Deliveries
from deliveries.ledger_ground import SECOND, Ledger, ledger
from tidings.access.projects import create_project
from tidings.deliveries.lanes.report import report
from tidings.deliveries.ledger.dispatch import LEASE
from tidings.deliveries.ledger.outcome import Next, Outcome
from tidings.deliveries.ledger.settle import Result
from tidings.deliveries.sending.settler import Settler

__all__ = ["ledger"]


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
    await ledger.one_planned()
    [identity] = await ledger.dispatch()
    assert await ledger.dispatch(later=SECOND) == []
    assert not await ledger.take_back(LEASE - SECOND)
    assert await ledger.take_back(LEASE + SECOND)
    assert await ledger.dispatch(later=LEASE + 2 * SECOND) == [identity]
    # Nobody had begun, so nothing counts as an attempt.
    assert await ledger.attempts() == []


async def test_a_delivery_is_attempted_by_one_worker_whatever_is_queued_twice(api: Deliveries, ledger: Ledger) -> None:
    await ledger.one_planned()
    ids = await ledger.dispatch()
    assert len(await ledger.claim(ids, "w1")) == 1
    assert await ledger.claim(ids, "w2") == []


async def test_a_worker_that_was_given_up_for_lost_writes_nothing_when_it_comes_back(api: Deliveries, ledger: Ledger) -> None:
    await ledger.one_planned()
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
    await ledger.one_planned()
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
    await ledger.one_planned()
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
