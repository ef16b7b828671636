"""What is asked of the ledger touches few rows, however large it has grown: by the plans of the very statements sent."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from own_database import SHARDS, own_database
from plans import Explaining, Plan, rows_of
from running import Servers

from deliveries.conftest import URL
from tidings.access.principals import KeyHolder, Tenant
from tidings.access.projects import create_project
from tidings.deliveries.destinations.endpoints import create_endpoint, get_endpoint, list_endpoints
from tidings.deliveries.destinations.kinds import ENDPOINT
from tidings.deliveries.destinations.structs import NewEndpoint
from tidings.deliveries.destinations.switching import enable
from tidings.deliveries.ledger.attempts import list_attempts
from tidings.deliveries.ledger.claim import claim, renew
from tidings.deliveries.ledger.dispatch import LEASE, dispatch
from tidings.deliveries.ledger.hold import PIECE as HOLD_PIECE
from tidings.deliveries.ledger.hold import hold_next
from tidings.deliveries.ledger.listing import LOOK_AT, Wanted, get_delivery, list_deliveries
from tidings.deliveries.ledger.outcome import Next, Outcome
from tidings.deliveries.ledger.replays import PIECE, Range, advance_one, begin_replay
from tidings.deliveries.ledger.resend import cancel, resend
from tidings.deliveries.ledger.session import SESSION
from tidings.deliveries.ledger.settle import Result, settle
from tidings.platform.postgres import Connection, Database, tenant_transaction
from tidings.platform.secrets import load_secret
from tidings.recipients.resolve import ensure_subscribers
from tidings.settings import Settings
from tidings.vault import load_vault

DELIVERIES = 100_000
# Over four weeks and two endpoints. One in 50 is dead, and of another 50 one each held and pending. Half of what is dead is of a third
# endpoint, which has nothing else; what was delivered on the first day is of a fourth one, which has had nothing since.
FILL = """
INSERT INTO deliveries (id, project, destination, subscriber, notification, type, shard, position, event_at, accepted_at, state, attempts,
    next_attempt_at, reason, finished_at)
SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '70008000' || lpad(to_hex(number), 12, '0'))::uuid, $1,
    ($2::bigint[])[CASE WHEN number % 100 = 51 THEN 3 WHEN number < 4320 AND number % 50 > 3 THEN 4 WHEN number % 10 = 0 THEN 2 ELSE 1 END],
    CASE WHEN number % 5000 = 1 THEN $3::bigint END, gen_random_uuid(),
    CASE WHEN number % 5000 = 1 THEN 'inbox.read' ELSE 'notification.created' END, 0, number, at, at,
    CASE number % 50 WHEN 1 THEN 'dead' WHEN 2 THEN 'held' WHEN 3 THEN 'pending' ELSE 'delivered' END, 1, at, 'http_500', at
FROM (SELECT number, now() - interval '2 days' + number * interval '20 seconds' AS at FROM generate_series(1, $4::int) AS number) AS one
"""
ATTEMPTS = """
INSERT INTO attempts (delivery, number, project, destination, worker) SELECT id, 1, project, destination, 'w' FROM deliveries
"""

# The larger and the smaller endpoint, the broken and the former one.
ENDPOINTS = "SELECT array[min(id), max(id), min(id) + 1, min(id) + 2] FROM destinations"
WEEKS_OF = "SELECT DISTINCT split_part(tableoid::regclass::text, '_', 2) FROM deliveries WHERE id = ANY ($1::uuid[])"

LEDGER = ("deliveries", "attempts", "events")
Watching = Callable[[], AbstractAsyncContextManager[Explaining]]


@pytest.fixture(scope="module")
async def large(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Database]:
    settings = Settings(state_dir=tmp_path_factory.mktemp("state"))
    load_secret(settings)
    async with own_database(servers) as (_, database):
        tenant, _ = await create_project(database, "plans", SHARDS)
        holder = KeyHolder(tenant, "key_test", frozenset("*"))
        async with tenant_transaction(database, tenant.id) as connection:
            alice = (await ensure_subscribers(connection, tenant.id, ["alice"], "test"))["alice"]
            for _ in range(200):
                await create_endpoint(connection, holder, load_vault(settings), lambda _: None, NewEndpoint(url=URL, events=["*"]))
        async with database.system.acquire() as connection:
            await connection.execute(FILL, tenant.id, await connection.fetchval(ENDPOINTS), alice, DELIVERIES)
            await connection.execute(ATTEMPTS)
            await connection.execute("SET ROLE NONE")
            await connection.execute("VACUUM ANALYZE")
            await connection.execute("SET ROLE tidings_worker")
        yield database


@pytest.fixture(scope="module")
async def holder(large: Database) -> KeyHolder:
    row = await large.system.fetchrow("SELECT id, key, shard FROM projects")
    return KeyHolder(Tenant(*row), "key_test", frozenset("*"))


@pytest.fixture
def watching(large: Database, holder: KeyHolder) -> Watching:
    """A transaction of the API's role that is rolled back."""

    @asynccontextmanager
    async def watching() -> AsyncIterator[Explaining]:
        async with large.tenant.acquire() as connection:
            transaction = connection.transaction()
            await transaction.start()
            try:
                await connection.execute("SELECT set_config('tidings.project', $1, true)", str(holder.tenant.id))
                yield Explaining(connection)
            finally:
                await transaction.rollback()

    return watching


def check(explaining: Explaining, most: int) -> None:
    """No partition that has rows is read whole, and no step looks at more than `most` rows."""
    assert explaining.plans
    for plan in explaining.plans:
        whole = [node for node in plan.nodes() if node["Node Type"] == "Seq Scan" and rows_of(node)]
        assert not [node for node in whole if node["Relation Name"].startswith(LEDGER)], str(plan)
        assert plan.touched <= most, str(plan)
    explaining.plans.clear()


def partitions(plan: Plan) -> set[tuple[str, str]]:
    """Those of the ledger that are looked into, empty ones too, each with the index."""
    scans = [node for node in plan.nodes() if node["Node Type"].startswith(("Index", "Seq")) and node["Actual Loops"]]
    found = [(node["Relation Name"], node.get("Index Name", "")) for node in scans]
    return {(table, index.removeprefix(table)) for table, index in found if table.startswith(LEDGER)}


async def example(connection: Connection, state: str) -> Any:
    """One of the larger endpoint, in the middle of the time."""
    return await connection.fetchrow(
        """SELECT d.id::text, d.notification, d.accepted_at, t.key FROM deliveries d JOIN destinations t ON t.id = d.destination
        WHERE d.state = $1 AND d.position % 10 <> 0 ORDER BY abs(d.position - $2) LIMIT 1""",
        state,
        DELIVERIES // 2,
    )


async def test_every_combination_of_filters_reads_an_index(watching: Watching, holder: KeyHolder) -> None:
    async with watching() as connection:
        found = await example(connection.connection, "dead")
        choices: dict[str, tuple[Any, ...]] = {
            "endpoint": (None, found["key"]),
            "state": (None, "dead", "delivered"),
            "type": (None, "inbox.read"),
            "notification": (None, found["notification"]),
            "subscriber": (None, "alice"),
            "since": (None, found["accepted_at"] - timedelta(hours=1)),
        }
        for values in product(*choices.values()):
            wanted = Wanted(**dict(zip(choices, values, strict=True)))
            await list_deliveries(connection, holder.tenant.id, wanted, None, 25)
            # What has no index is looked for among so many, and a tenth of them are of the other endpoint.
            check(connection, LOOK_AT * 5 // 4 if wanted.type or wanted.subscriber or wanted.state == "delivered" else 300)


async def test_what_an_endpoint_and_a_state_have_to_do_with_each_other_is_no_concern_of_the_plan(
    large: Database, watching: Watching, holder: KeyHolder
) -> None:
    _, _, broken, former = await large.system.fetchval(ENDPOINTS)
    keys = dict(await large.system.fetch("SELECT id, key FROM destinations"))
    async with watching() as connection:
        page = await list_deliveries(connection, holder.tenant.id, Wanted(endpoint=keys[broken], state="dead"), None, 25)
        assert len(page.items) == 25 and page.next
        check(connection, 300)
        page = await list_deliveries(connection, holder.tenant.id, Wanted(endpoint=keys[former], state="delivered"), None, 25)
        assert len(page.items) == 25 and page.next
        check(connection, 300)


async def test_a_day_is_looked_for_in_its_week_alone(watching: Watching, holder: KeyHolder) -> None:
    async with watching() as connection:
        found = await example(connection.connection, "dead")
        week = await connection.connection.fetchval(WEEKS_OF, [found["id"]])
        for endpoint, state in product((None, found["key"]), (None, "dead", "delivered")):
            moment = found["accepted_at"]
            wanted = Wanted(endpoint=endpoint, state=state, since=moment, until=moment + timedelta(milliseconds=1))
            await list_deliveries(connection, holder.tenant.id, wanted, None, 25)
            for plan in connection.plans:
                assert {table for table, _ in partitions(plan)} <= {f"deliveries_{week}"}, str(plan)
            connection.plans.clear()


async def test_the_next_page_reads_on_from_its_place(watching: Watching, holder: KeyHolder) -> None:
    async with watching() as connection:
        found = await example(connection.connection, "dead")
        for wanted in (Wanted(), Wanted(endpoint=found["key"]), Wanted(state="dead"), Wanted(until=found["accepted_at"])):
            page = await list_deliveries(connection, holder.tenant.id, wanted, found["id"], 25)
            assert len(page.items) == 25 and page.items[0].id < found["id"]
            check(connection, 300)


async def test_one_delivery_is_looked_at_resent_and_cancelled(watching: Watching, holder: KeyHolder) -> None:
    async with watching() as connection:
        found = await example(connection.connection, "pending")
        now = datetime.now(UTC)
        await get_delivery(connection, holder.tenant.id, found["id"])
        await list_attempts(connection, holder.tenant.id, found["id"], None, 25)
        await resend(connection, holder, found["id"], now)
        await cancel(connection, holder, found["id"], now)
        check(connection, 300)


async def test_an_endpoint_and_all_of_them(watching: Watching, holder: KeyHolder) -> None:
    async with watching() as connection:
        found = await example(connection.connection, "dead")
        await list_endpoints(connection, holder.tenant, None, 25)
        detail = await get_endpoint(connection, holder.tenant, found["key"])
        assert detail.last_failure is not None
        # As many as are counted.
        check(connection, 2500)
        await enable(connection, ENDPOINT, holder, found["key"], False)
        check(connection, 2500)


async def test_what_waits_for_an_endpoint_is_counted_without_what_was_delivered_to_it(
    large: Database, watching: Watching, holder: KeyHolder
) -> None:
    keys = dict(await large.system.fetch("SELECT id, key FROM destinations"))
    larger, _, broken, former = await large.system.fetchval(ENDPOINTS)
    async with watching() as connection:
        for endpoint, most in ((larger, 2000), (broken, 300), (former, 300)):
            await get_endpoint(connection, holder.tenant, keys[endpoint])
            check(connection, most)
            await enable(connection, ENDPOINT, holder, keys[endpoint], False)
            check(connection, most)


async def test_a_replay_counts_once_and_then_moves_on_by_pieces(large: Database, watching: Watching, holder: KeyHolder) -> None:
    async with large.system.acquire() as connection, connection.transaction():
        destination, key = await connection.fetchrow("SELECT id, key FROM destinations ORDER BY id LIMIT 1")
        for states in (["dead"], ["held", "dead"], ["delivered"]):
            await begin_replay(connection, holder, destination, key, Range(None, None, states))
            explaining = Explaining(connection)
            for seconds in (100, 200):
                assert await advance_one(explaining, datetime.now(UTC) + timedelta(seconds=seconds))
                check(explaining, 12 * PIECE)
            await connection.execute("UPDATE replays SET finished_at = now()")


@pytest.fixture
async def working(large: Database) -> AsyncIterator[Explaining]:
    """A transaction on a connection as planner and workers have it, which is rolled back. The four endpoints are due."""
    async with large.system.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        for name, value in SESSION.items():
            await connection.execute(f"SET LOCAL {name} = {value}")
        await connection.execute("UPDATE destinations SET at_once = 200")
        await connection.execute(f"UPDATE lanes SET due_at = now() WHERE destination = ANY (({ENDPOINTS})::bigint[])")
        yield Explaining(connection)
        await transaction.rollback()


@pytest.mark.parametrize(("place", "waits", "most"), [(0, 1700, 2 * HOLD_PIECE), (2, 0, 100), (3, 0, 100)])
@pytest.mark.parametrize("is_deleted", [False, True])
async def test_what_waits_for_an_endpoint_is_held_without_what_was_delivered_to_it(
    large: Database, working: Explaining, place: int, waits: int, most: int, is_deleted: bool
) -> None:
    """place: among the four."""
    destination = (await large.system.fetchval(ENDPOINTS))[place]
    one = working.connection
    await one.execute("UPDATE lanes SET paused = true, due_at = CASE WHEN destination = $1 THEN now() END", destination)
    if is_deleted:
        await one.execute("UPDATE destinations SET deleted_at = now() WHERE id = $1", destination)
    count = "SELECT count(*) FROM deliveries WHERE destination = $1 AND state = $2"
    before = await one.fetchval(count, destination, "held")
    while await hold_next(working):
        check(working, most)
    state = "cancelled" if is_deleted else "held"
    assert await one.fetchval(count, destination, state) >= waits + before
    assert await one.fetchval(count, destination, "pending") == 0


async def test_planner_and_workers_look_by_the_right_index_into_the_right_partitions(working: Explaining) -> None:
    leased = (await dispatch(working, datetime.now(UTC))).ids
    assert len(leased) > 150
    # Also into those that are empty: a plan lasts, and they fill up.
    looked = {one for plan in working.plans for one in partitions(plan)}
    assert {index for _, index in looked} == {"_destination_next_attempt_at_idx", "_lease_until_destination_project_idx", "_pkey"}
    check(working, 2 * len(leased))

    some, others = leased[:50], leased[50:100]
    weeks = {row[0] for row in await working.connection.fetch(WEEKS_OF, leased[:100])}
    claimed = await claim(working, some, "w")
    assert len(claimed) == 50
    await renew(working, some, LEASE)
    await working.connection.execute("UPDATE lanes SET paused = true")
    assert await claim(working, others, "w") == []
    arrived = Outcome(kind="delivered", reason="http_200", status=200)
    assert len(await settle(working, [Result(one, arrived, Next("delivered"), datetime.now(UTC)) for one in claimed])) == 50
    for plan in working.plans:
        for table, index in partitions(plan):
            assert index == ("_shard_position_idx" if table.startswith("events") else "_pkey"), str(plan)
            assert table.split("_")[1] in weeks, str(plan)
    # Fewer than are leased.
    check(working, 100)
