"""Limits on streams, counted over processes in Redis, or alone without it."""

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from stream_ground import Ground

from tidings.errors import TooMany
from tidings.platform.ids import random_id
from tidings.platform.redis import open_redis
from tidings.stream.admission import LIVE, Admission


class Processes:
    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.made: list[Admission] = []

    def one(self, per_subscriber: int = 3, per_project: int = 100) -> Admission:
        admission = Admission(open_redis(self.ground.settings.redis_url or ""), random_id("proc"), per_subscriber, per_project)
        self.made.append(admission)
        return admission


@pytest.fixture
async def processes(ground: Ground) -> AsyncIterator[Processes]:
    redis = open_redis(ground.settings.redis_url or "")
    await redis.flushdb()
    found = Processes(ground)
    yield found
    for admission in found.made:
        await admission.stop()
        await admission.redis.aclose()
    await redis.aclose()


async def test_processes_count_together(processes: Processes) -> None:
    one, other = processes.one(), processes.one()
    await one.admit(1, 1)
    await other.admit(1, 1)
    await one.admit(1, 1)

    with pytest.raises(TooMany):
        await other.admit(1, 1)
    await other.admit(2, 1)


async def test_a_release_makes_room_at_once(processes: Processes) -> None:
    one = processes.one(per_subscriber=1)
    for _ in range(5):
        await one.admit(1, 1)
        one.release(1, 1)


async def test_after_a_flush_the_own_counts_are_written_again(processes: Processes) -> None:
    one, other = processes.one(), processes.one()
    for _ in range(3):
        await one.admit(1, 1)
    await one.redis.flushdb()
    await one.renew()

    with pytest.raises(TooMany):
        await other.admit(1, 1)


async def test_a_dead_process_counts_no_more_when_its_lease_has_ended(processes: Processes) -> None:
    one, other = processes.one(), processes.one()
    for _ in range(3):
        await one.admit(1, 1)
    await one.redis.zadd(LIVE, {one.process: 1})

    await other.admit(1, 1)


async def test_a_refusal_takes_nothing(processes: Processes) -> None:
    one = processes.one(per_subscriber=1, per_project=2)
    await one.admit(1, 1)
    for _ in range(3):
        with pytest.raises(TooMany):
            await one.admit(1, 1)
    await one.admit(2, 1)
    with pytest.raises(TooMany) as refused:
        await one.admit(3, 1)

    assert refused.value.extra["limit"] == "streams_per_project"
    assert await one.redis.hgetall(one.key) == {b"s:1": b"1", b"p:1": b"2", b"s:2": b"1"}


async def test_alone_it_counts_its_own_and_what_it_holds_is_known_again_after(processes: Processes, ground: Ground) -> None:
    one, other = processes.one(), processes.one()
    await one.admit(1, 1)
    await ground.stop_valkey()
    try:
        for _ in range(2):
            await one.admit(1, 1)
        with pytest.raises(TooMany) as refused:
            await one.admit(1, 1)
        assert refused.value.extra["counted"] == "process"
        one.release(1, 1)
    finally:
        await ground.start_valkey()
    await one.renew()
    await other.renew()

    await other.admit(1, 1)
    with pytest.raises(TooMany) as refused:
        await other.admit(1, 1)
    assert refused.value.extra["counted"] == "deployment"


async def test_a_loop_that_was_held_up_does_not_take_redis_for_away(processes: Processes) -> None:
    one = processes.one()
    count = one.script

    async def count_in_a_storm(**arguments: Any) -> Any:
        time.sleep(1.2)  # noqa: ASYNC251, what others do in this turn of the loop
        return await count(**arguments)

    one.script = count_in_a_storm
    await one.admit(1, 1)

    assert not one.away
