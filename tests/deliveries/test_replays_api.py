"""Replays: asked for over HTTP, moved on by whoever has the time, each delivery once."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from running import until

from deliveries.conftest import Deliveries
from tidings.deliveries.ledger import replays
from tidings.deliveries.ledger.listing import first_id
from tidings.deliveries.ledger.replays import advance_one, move

LONG_AGO = "2001-01-01T00:00:00Z"


@pytest.fixture(autouse=True)
async def alone(api: Deliveries) -> None:
    """`advance_one` takes any project's replay; those that earlier tests left are none of this one's."""
    await api.database.system.execute("UPDATE replays SET finished_at = now() WHERE finished_at IS NULL")


async def begin(api: Deliveries, endpoint: str, **fields: Any) -> str:
    answer = await api("POST", "/v1/deliveries/replay", {"endpoint": endpoint, "since": LONG_AGO} | fields)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


async def step(api: Deliveries, seconds: float) -> bool:
    """As a process would whose clock stands so many seconds after the replay began."""
    began = await api.database.system.fetchval("SELECT max(created_at) FROM replays WHERE project = $1", api.tenant.id)
    async with api.database.system.acquire() as connection:
        return await advance_one(connection, began + timedelta(seconds=seconds))


async def pending(api: Deliveries) -> list[str]:
    rows = await api.database.system.fetch(
        "SELECT id::text FROM deliveries WHERE project = $1 AND state = 'pending' ORDER BY id", api.tenant.id
    )
    return [row["id"] for row in rows]


async def test_dead_deliveries_are_put_on_their_way_again(api: Deliveries) -> None:
    made = (await api.endpoint())["id"]
    await api.told()
    dead = [await api.deliver(made, "dead", attempts=4, reason="http_500") for _ in range(3)]
    for state in ("delivered", "held", "cancelled"):
        await api.deliver(made, state)
    await api.deliver((await api.endpoint())["id"], "dead")
    replay = await begin(api, made)
    begun = await api.ok("GET", f"/v1/replays/{replay}")
    assert (begun["endpoint"], begun["state"], begun["total"], begun["queued"]) == (made, "running", 3, 0)
    assert await step(api, 1)
    done = await api.ok("GET", f"/v1/replays/{replay}")
    assert (done["state"], done["total"], done["queued"]) == ("done", 3, 3)
    assert await pending(api) == dead
    row, lane = await api.row(dead[0]), await api.lane(made)
    assert (row["attempts"], row["round"], row["finished_at"], row["reason"]) == (4, 4, None, "http_500")
    assert row["next_attempt_at"] == lane["due_at"]
    assert not await step(api, 100)
    assert await api.told() == ["endpoint.created", "replay.created"]


async def test_states_types_and_times_choose_what_is_sent_again(api: Deliveries) -> None:
    made = (await api.endpoint())["id"]
    noon = datetime(2026, 11, 1, 12, tzinfo=UTC)

    async def at(hour: int, state: str, kind: str = "inbox.read") -> str:
        when = noon + timedelta(hours=hour)
        return await api.deliver(made, state, type=kind, at=when, id=UUID(int=first_id(when).int + 7))

    await at(0, "delivered")
    wanted = [await at(1, "delivered"), await at(2, "dead"), await at(3, "delivered")]
    await at(4, "held")
    await at(5, "dead", "inbox.seen")
    await at(6, "dead")
    chosen = {"state": ["delivered", "dead"], "types": ["inbox.read"], "since": "2026-11-01T13:00:00Z", "until": "2026-11-01T18:00:00Z"}
    replay = await begin(api, made, **chosen)
    assert await step(api, 1)
    assert await pending(api) == wanted
    assert (await api.ok("GET", f"/v1/replays/{replay}"))["total"] == 3


async def test_a_replay_keeps_its_rate(api: Deliveries) -> None:
    made = (await api.endpoint())["id"]
    dead = [await api.deliver(made, "dead") for _ in range(25)]
    await begin(api, made, rate=10)
    assert not await step(api, 0.05)
    assert await step(api, 0.55)
    assert len(await pending(api)) == 5
    # What the first step did not use up counts for the next.
    assert await step(api, 1.0)
    assert await pending(api) == dead[:10]
    assert not await step(api, 1.05)
    assert await step(api, 60)
    assert await pending(api) == dead


async def test_no_step_is_larger_than_a_piece(api: Deliveries, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replays, "PIECE", 4)
    made = (await api.endpoint())["id"]
    dead = [await api.deliver(made, "dead") for _ in range(10)]
    await begin(api, made)
    for moved, seconds in ((4, 100), (8, 200), (10, 300)):
        assert await step(api, seconds)
        assert await pending(api) == dead[:moved]


async def test_a_step_looks_at_a_bounded_number_and_goes_on_after_them(api: Deliveries, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replays, "LOOK_AT", 5)
    made = (await api.endpoint())["id"]
    for _ in range(12):
        await api.deliver(made, "delivered")
    wanted = await api.deliver(made, "delivered", type="inbox.read")
    replay = await begin(api, made, state="delivered", types=["inbox.read"])
    for seconds in (1, 2):
        assert await step(api, seconds)
        assert await pending(api) == []
    assert await step(api, 3)
    assert await pending(api) == [wanted]
    assert (await api.ok("GET", f"/v1/replays/{replay}"))["state"] == "done"


async def test_a_step_whose_process_is_lost_is_done_again_and_nothing_twice(api: Deliveries, monkeypatch: pytest.MonkeyPatch) -> None:
    made = (await api.endpoint())["id"]
    dead = [await api.deliver(made, "dead") for _ in range(6)]
    replay = await begin(api, made, rate=4)
    assert await step(api, 1)

    async def move_and_end(connection: Any, *rest: Any) -> int:
        moved = await move(connection, *rest)
        assert moved == 2
        connection.terminate()
        return moved

    with monkeypatch.context() as ending:
        ending.setattr(replays, "move", move_and_end)
        with pytest.raises((OSError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError)):
            await step(api, 2)
    # One that was moved before, and has failed since, is not moved again.
    await api.database.system.execute("UPDATE deliveries SET state = 'dead' WHERE id = $1::uuid", dead[0])
    await until(lambda: step(api, 2), what="the server gives the lost process's locks back")
    assert await pending(api) == dead[1:]
    assert (await api.ok("GET", f"/v1/replays/{replay}"))["queued"] == 6


async def test_many_at_once_move_each_delivery_once(api: Deliveries) -> None:
    made = (await api.endpoint())["id"]
    for _ in range(40):
        await api.deliver(made, "dead")
    replay = await begin(api, made, rate=10)
    for seconds in range(1, 10):
        await asyncio.gather(*(step(api, seconds) for _ in range(4)))
    shown = await api.ok("GET", f"/v1/replays/{replay}")
    assert (shown["state"], shown["queued"], len(await pending(api))) == ("done", 40, 40)


async def test_a_slow_replay_holds_up_no_other(api: Deliveries) -> None:
    slow, fast = (await api.endpoint())["id"], (await api.endpoint())["id"]
    await api.deliver(slow, "dead")
    wanted = await api.deliver(fast, "dead")
    await begin(api, slow, rate=0.1)
    await begin(api, fast)
    assert await step(api, 1)
    assert await pending(api) == [wanted]


async def test_those_of_one_order_go_one_after_another(api: Deliveries) -> None:
    made = (await api.endpoint(order_by="data.account"))["id"]
    held = [await api.deliver(made, "held", order_key=key) for key in ("a", "a", "b", "c")]
    on_its_way = await api.deliver(made, order_key="c")
    await begin(api, made, state="held")
    assert await step(api, 1)
    due = {one: (await api.ok("GET", f"/v1/deliveries/{one}"))["next_attempt_at"] is not None for one in (*held, on_its_way)}
    assert list(due.values()) == [True, False, True, False, True]
    await api.ok("POST", f"/v1/deliveries/{on_its_way}/cancel")
    assert (await api.ok("GET", f"/v1/deliveries/{held[3]}"))["next_attempt_at"] is not None


async def test_what_is_leased_or_changed_meanwhile_is_left_alone(api: Deliveries) -> None:
    made = (await api.endpoint())["id"]
    leased = await api.deliver(made, "cancelled", lease_until=datetime.now(UTC) + timedelta(seconds=10))
    free = await api.deliver(made, "cancelled")
    busy = await api.deliver(made, "cancelled")
    replay = await begin(api, made, state="cancelled")
    async with api.database.system.acquire() as other, other.transaction():
        await other.execute("SELECT FROM deliveries WHERE id = $1::uuid FOR UPDATE", busy)
        assert await step(api, 1)
    assert await pending(api) == [free]
    assert (await api.row(leased))["state"] == "cancelled"
    assert (await api.ok("GET", f"/v1/replays/{replay}"))["queued"] == 1


async def test_a_replay_ends_with_its_endpoint(api: Deliveries) -> None:
    for method, path in (("POST", "/disable"), ("DELETE", "")):
        made = (await api.endpoint())["id"]
        dead = await api.deliver(made, "dead")
        replay = await begin(api, made)
        await api.ok(method, f"/v1/endpoints/{made}{path}")
        assert await step(api, 1)
        assert (await api.ok("GET", f"/v1/replays/{replay}"))["state"] == "cancelled"
        assert (await api.row(dead))["state"] == "dead"
        again = await api("POST", "/v1/deliveries/replay", {"endpoint": made, "since": LONG_AGO})
        assert again.status_code == 409


async def test_a_backfill_sends_what_was_held(api: Deliveries) -> None:
    made = (await api.endpoint())["id"]
    await api.ok("POST", f"/v1/endpoints/{made}/disable")
    held = [await api.deliver(made, "held", attempts=0, reason="disabled") for _ in range(2)]
    answer = await api.ok("POST", f"/v1/endpoints/{made}/enable", {"backfill": True})
    assert await step(api, 1)
    assert await pending(api) == held
    assert (await api.row(held[0]))["reason"] is None
    assert (await api.ok("GET", f"/v1/replays/{answer['replay']}"))["state"] == "done"


async def test_a_replay_is_cancelled_once_and_not_after_its_end(api: Deliveries) -> None:
    made = (await api.endpoint())["id"]
    await api.told()
    for _ in range(3):
        await api.deliver(made, "dead")
    replay = await begin(api, made, rate=1)
    assert await step(api, 1)
    for _ in range(2):
        assert (await api.ok("POST", f"/v1/replays/{replay}/cancel"))["state"] == "cancelled"
    assert await api.told() == ["replay.created", "replay.cancelled"]
    assert not await step(api, 100)
    assert len(await pending(api)) == 1
    done = await begin(api, made)
    assert await step(api, 100)
    assert (await api("POST", f"/v1/replays/{done}/cancel")).status_code == 409
    assert [one["id"] for one in (await api.ok("GET", "/v1/replays"))["items"]] == [done, replay]
    first = await api.ok("GET", "/v1/replays?limit=1")
    assert (await api.ok("GET", f"/v1/replays?limit=1&after={first['next']}"))["items"][0]["id"] == replay


async def test_the_same_request_twice_is_one_replay(api: Deliveries) -> None:
    made = (await api.endpoint())["id"]
    body = {"endpoint": made, "since": LONG_AGO}
    ids = {(await api("POST", "/v1/deliveries/replay", body, Idempotency_Key="r")).json()["id"] for _ in range(2)}
    assert len(ids) == 1 and len((await api.ok("GET", "/v1/replays"))["items"]) == 1


@pytest.mark.parametrize(
    ("fields", "status", "field"),
    [
        ({"endpoint": "ep_unknown"}, 404, "endpoint"),
        ({"since": "9999-01-01T00:00:00Z"}, 422, "since"),
        ({"since": "2026-01-02T00:00:00Z", "until": "2026-01-02T00:00:00Z"}, 422, "since"),
        ({"since": "2026-01-02T00:00:00"}, 422, "since"),
        ({"state": "pending"}, 422, "state"),
        ({"state": []}, 422, "state"),
        ({"types": []}, 422, "types"),
        ({"rate": 0}, 422, "rate"),
    ],
)
async def test_a_wrong_field_is_named(api: Deliveries, fields: dict[str, Any], status: int, field: str) -> None:
    body = {"endpoint": (await api.endpoint())["id"], "since": LONG_AGO} | fields
    answer = await api("POST", "/v1/deliveries/replay", body)
    assert (answer.status_code, answer.json()["field"]) == (status, field), answer.text


async def test_what_is_resent_cancelled_and_replayed_at_once_never_waits_in_a_ring(api: Deliveries) -> None:
    made = (await api.endpoint(order_by="id"))["id"]
    held = [await api.deliver(made, "held", order_key=str(number % 3)) for number in range(12)]
    await begin(api, made, state="held", rate=10_000)
    answers = await asyncio.gather(
        *(api("POST", f"/v1/deliveries/{one}/resend") for one in held),
        *(api("POST", f"/v1/deliveries/{one}/cancel") for one in held[::-1]),
        *(api("POST", f"/v1/endpoints/{made}/enable") for _ in range(3)),
    )
    while await step(api, 1):
        pass
    assert {answer.status_code for answer in answers} <= {200, 202, 409}
    # Of each order that has something left one is on its way, and only one.
    rows = await api.database.system.fetch(
        """SELECT order_key, count(*) FILTER (WHERE next_attempt_at < 'infinity') AS due FROM deliveries
        WHERE project = $1 AND state = 'pending' GROUP BY order_key""",
        api.tenant.id,
    )
    assert [row["due"] for row in rows] == [1] * len(rows)
