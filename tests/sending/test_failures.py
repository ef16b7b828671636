"""What deliveries survive: the loss of any process and server at any moment.

OUTAGE_S=60 pytest tests/sending/test_failures.py -k longer_than_a_lease is the long form.
"""

import asyncio
import contextlib
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import web
from loguru import logger
from running import Project, Servers, until
from webhook_receiver import Receiver

from sending.conftest import Sending, deliveries, endpoint
from tidings.deliveries.ledger.dispatch import LEASE
from tidings.deliveries.sending.queue import enqueue, open_queue
from tidings.platform.ending import end_tasks
from tidings.platform.redis import REDIS_AWAY
from workers import deliveries as worker

AWAY_S = float(os.environ.get("OUTAGE_S") or LEASE.total_seconds() + 2)


async def attempts_of(project: Project, delivery: str) -> list[str]:
    items = (await project.call("GET", f"/v1/deliveries/{delivery}/attempts"))["items"]
    return [one["outcome"] for one in sorted(items, key=lambda one: one["number"])]


async def test_a_killed_workers_deliveries_are_taken_over_with_the_same_ids(sending: Sending, project: Project, receiver: Receiver) -> None:
    await endpoint(project, receiver)
    over = receiver.hang()
    for number in range(5):
        await project.publish(f"n{number}", ["alice"])
    first = await receiver.until_got(5)
    await sending.worker.kill()
    over.set()
    receiver.answer(200)
    await sending.worker.start()
    # A lease is ten seconds; the sweep looks each second.
    again = await receiver.until_got(10, within=25)
    assert {one.id for one in again[5:]} == {one.id for one in first}
    for item in await sending.settled(project, 5):
        assert item["state"] == "delivered"
        assert await attempts_of(project, item["id"]) == ["lost", "delivered"]


async def test_a_worker_that_stood_still_changes_nothing_when_it_goes_on(sending: Sending, project: Project, receiver: Receiver) -> None:
    await endpoint(project, receiver)
    over = receiver.hang()
    await project.publish("Hello", ["alice"])
    await receiver.until_got(1)
    sending.worker.stop()
    other = await sending.system.another_worker("deliveries")
    receiver.answer(200)
    await receiver.until_got(2, within=25)
    [item] = await sending.settled(project, 1)
    over.set()
    sending.worker.go_on()
    await project.publish("Another", ["alice"])
    await sending.settled(project, 2)
    assert await attempts_of(project, item["id"]) == ["lost", "delivered"]
    assert other.is_running


async def test_a_killed_planner_loses_nothing(sending: Sending, project: Project, receiver: Receiver) -> None:
    await endpoint(project, receiver)
    for number in range(40):
        await project.publish(f"n{number}", ["alice"])
        if number in (10, 25):
            await sending.planner.kill()
            await sending.planner.start()
    # What was leased and not queued waits for its lease to run out.
    got = await receiver.until_got(40, within=40)
    assert len({one.id for one in got}) == 40
    assert {item["state"] for item in await sending.settled(project, 40)} == {"delivered"}


async def test_a_redis_that_forgets_everything_at_any_moment_loses_nothing(sending: Sending, project: Project, receiver: Receiver) -> None:
    await endpoint(project, receiver, at_once=5)
    for number in range(60):
        await project.publish(f"n{number}", ["alice"])
        if number % 7 == 0:
            await sending.system.servers.flushall()
    await receiver.until_got(60, within=60)
    assert {item["state"] for item in await sending.settled(project, 60)} == {"delivered"}
    assert len({one.id for one in receiver.got}) == 60


async def test_while_redis_is_away_deliveries_wait_in_the_ledger(sending: Sending, project: Project, receiver: Receiver) -> None:
    await endpoint(project, receiver)
    await sending.system.valkey.kill()
    for number in range(10):
        await project.publish(f"n{number}", ["alice"])

    async def planned() -> bool:
        return len(await deliveries(project)) == 10

    await until(planned, 20, "ten deliveries are planned")
    assert {item["state"] for item in await deliveries(project)} == {"pending"}
    await sending.system.valkey.start()
    await receiver.until_got(10, within=40)
    assert {item["state"] for item in await sending.settled(project, 10)} == {"delivered"}


async def test_a_postgresql_that_restarts_loses_nothing(sending: Sending, project: Project, receiver: Receiver) -> None:
    await endpoint(project, receiver, at_once=5, schedule=[1] * 10)
    receiver.answer_in_turn(*[500] * 4)
    for number in range(30):
        await project.publish(f"n{number}", ["alice"])
    await receiver.until_got(5)
    # Not killed: the tests' server is not durable, and would forget what it had committed.
    await sending.system.postgres.restart()
    await sending.system.api.ready(30)
    assert {item["state"] for item in await sending.settled(project, 30, within=60)} == {"delivered"}
    assert {one.id for one in receiver.got} == {item["id"] for item in await deliveries(project)}


async def test_what_arrived_while_postgresql_was_away_for_longer_than_a_lease_is_not_sent_again(
    sending: Sending, project: Project, receiver: Receiver
) -> None:
    await endpoint(project, receiver)
    over = receiver.hang()
    for number in range(5):
        await project.publish(f"n{number}", ["alice"])
    await receiver.until_got(5)
    await sending.system.postgres.end()
    over.set()
    await asyncio.sleep(AWAY_S)
    await sending.system.postgres.start()
    await sending.system.api.ready(30)
    items = await sending.settled(project, 5)
    assert [await attempts_of(project, item["id"]) for item in items] == [["delivered"]] * 5
    assert len(receiver.got) == 5


async def test_workers_killed_again_and_again_under_failures_lose_nothing(sending: Sending, project: Project, receiver: Receiver) -> None:
    await endpoint(project, receiver, at_once=50, schedule=[1] * 20)
    count = 200
    turn = iter(range(10**6))

    async def a_fifth_fails(_: object) -> object:
        return web.Response(status=500 if next(turn) % 5 == 0 else 200)

    receiver.answers["/hook"] = a_fifth_fails  # type: ignore[assignment]
    publishing = asyncio.gather(*(project.publish(f"n{number}", ["alice"]) for number in range(count)))
    for _ in range(3):
        await receiver.until_got(len(receiver.got) + 10)
        await sending.worker.kill()
        await sending.worker.start()
    await publishing
    settled = await sending.settled(project, count, within=90)
    assert {item["state"] for item in settled} == {"delivered"}
    assert {one.id for one in receiver.got} == {item["id"] for item in settled}


async def test_an_endpoint_that_hangs_does_not_hold_up_the_others(sending: Sending, project: Project, receiver: Receiver) -> None:
    await endpoint(project, receiver, "/slow")
    await endpoint(project, receiver, "/fast")
    over = receiver.hang("/slow")
    for number in range(60):
        await project.publish(f"n{number}", ["alice"])
    await receiver.until_got(60, "/fast")
    # Not one of them had ended, and no more than it may have at once had begun.
    assert len(receiver.at("/slow")) == 20
    over.set()
    await receiver.until_got(60, "/slow")
    await sending.settled(project, 120)


async def test_a_worker_told_to_stop_ends_what_is_under_way(sending: Sending, project: Project, receiver: Receiver) -> None:
    await endpoint(project, receiver)
    over = receiver.hang()
    for number in range(5):
        await project.publish(f"n{number}", ["alice"])
    await receiver.until_got(5)
    ending = asyncio.create_task(sending.worker.end())
    await asyncio.sleep(0)
    over.set()
    assert await ending == 0
    items = await sending.settled(project, 5)
    assert [await attempts_of(project, item["id"]) for item in items] == [["delivered"]] * 5


async def test_each_time_that_redis_goes_away_is_told_once(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "AWAY_S", 0.05)
    # A database of its own: the suite's workers have the jobs of the first.
    redis_url = servers.redis_url.rpartition("/")[0] + "/9"
    now, delivered, told, asked = [0.0], asyncio.Event(), list[str](), [0]

    async def deliver(_ids: Sequence[str]) -> None:
        delivered.set()

    def clock() -> float:
        asked[0] += 1
        return now[0]

    async def job_gets_through() -> bool:
        with contextlib.suppress(*REDIS_AWAY):
            await enqueue(queue, ["id"], datetime.now(UTC))
        return delivered.is_set()

    async def is_told(times: int) -> bool:
        return len(told) == times

    async def tries_on(before: int) -> bool:
        # Each attempt asks for the time, once or twice.
        return asked[0] > before + 5

    queue = open_queue(redis_url)
    sink = logger.add(lambda message: told.append(str(message)), filter="workers.deliveries")
    taking = asyncio.create_task(worker.take_jobs(redis_url, cast(Any, SimpleNamespace(deliver=deliver)), clock))
    try:
        for times in (1, 2):
            delivered.clear()
            await until(job_gets_through)
            now[0] += 2 * worker.THERE_AFTER_S
            await servers.valkey.kill()
            await until(partial(is_told, times), 20, f"it is told for the {times}. time")
            await until(partial(tries_on, asked[0]), 20)
            await servers.valkey.start()
            assert len(told) == times
    finally:
        await end_tasks([taking])
        await servers.valkey.start()
        await queue.aclose(close_connection_pool=True)
        logger.remove(sink)
