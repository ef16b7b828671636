"""Admission in batches against the plain rule: one at a time, counted exactly."""

import asyncio
from collections import Counter
from typing import Any, NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stream_ground import Ground

from tidings.errors import TooMany
from tidings.platform.ids import random_id
from tidings.platform.redis import open_redis
from tidings.stream.admission import Admission

PER_SUBSCRIBER, PER_PROJECT = 2, 5
PROCESSES = st.integers(0, 1)
PEOPLE = st.integers(1, 3)


class Admit(NamedTuple):
    """Several at the same moment, of project 1."""

    process: int
    people: list[int]


class Release(NamedTuple):
    process: int
    which: int


class GiveUp(NamedTuple):
    """An opening that is cancelled when the loop has turned so often."""

    process: int
    person: int
    turns: int


class Flush(NamedTuple):
    """Redis loses everything."""


class Away(NamedTuple):
    """Commands fail from now on, before or after Redis has carried them out."""

    is_carried_out: bool


class Back(NamedTuple):
    pass


STEPS = st.lists(
    st.one_of(
        st.builds(Admit, PROCESSES, st.lists(PEOPLE, min_size=1, max_size=6)),
        st.builds(Release, PROCESSES, st.integers(0, 20)),
        st.builds(GiveUp, PROCESSES, PEOPLE, st.integers(0, 6)),
        st.builds(Flush),
        st.builds(Away, st.booleans()),
        st.builds(Back),
    ),
    max_size=14,
)


class Moody:
    """A real Redis that can be away."""

    def __init__(self, redis: Any) -> None:
        self.redis = redis
        self.away: Away | None = None

    async def carry_out(self, command: Any) -> Any:
        if self.away is not None and not self.away.is_carried_out:
            command.close()
            raise ConnectionError("away")
        answer = await command
        if self.away is not None:
            raise ConnectionError("the answer was lost")
        return answer

    def register_script(self, text: str) -> Any:
        script = self.redis.register_script(text)
        return lambda **arguments: self.carry_out(script(**arguments))

    def pipeline(self, **options: Any) -> Any:
        pipeline = self.redis.pipeline(**options)
        execute = pipeline.execute
        pipeline.execute = lambda: self.carry_out(execute())
        return pipeline


class Plain:
    """What each process holds, and the rule over it."""

    def __init__(self) -> None:
        self.held: list[list[int]] = [[], []]

    def admit(self, process: int, person: int, is_alone: bool) -> bool:
        counted = self.held[process] if is_alone else self.held[0] + self.held[1]
        if counted.count(person) >= PER_SUBSCRIBER or len(counted) >= PER_PROJECT:
            return False
        self.held[process].append(person)
        return True

    def in_redis(self, process: int) -> dict[bytes, bytes]:
        counts = Counter(f"s:{person}" for person in self.held[process])
        if self.held[process]:
            counts["p:1"] = len(self.held[process])
        return {field.encode(): str(count).encode() for field, count in counts.items()}


@given(STEPS)
@settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
async def test_batches_count_as_one_at_a_time_would(ground: Ground, steps: list[Any]) -> None:
    await compare(ground.settings.redis_url or "", steps)


async def compare(url: str, steps: list[Any]) -> None:
    redis = open_redis(url)
    await redis.flushdb()
    moody, plain = Moody(redis), Plain()
    processes = [Admission(moody, random_id("proc"), PER_SUBSCRIBER, PER_PROJECT) for _ in range(2)]
    for step in steps:
        match step:
            case Admit(process, people):
                admitted = await asyncio.gather(*(try_admit(processes[process], person) for person in people))
                assert admitted == [plain.admit(process, person, moody.away is not None) for person in people]
            case Release(process, which) if plain.held[process]:
                person = plain.held[process].pop(which % len(plain.held[process]))
                processes[process].release(person, 1)
            case GiveUp(process, person, turns):
                opening = asyncio.create_task(try_admit(processes[process], person))
                for _ in range(turns):
                    await asyncio.sleep(0)
                opening.cancel()
                await asyncio.wait([opening])
                if not opening.cancelled() and opening.result():
                    plain.held[process].append(person)
            case Flush():
                await redis.flushdb()
            case Away() | Back():
                moody.away = step if isinstance(step, Away) else None
        # As the lease's task does: it finds out whether Redis is there, hands releases in, and writes again what was lost.
        for admission in processes:
            await admission.renew()
            if admission.released:  # by an opening that was given up and went in the same batch
                await admission.renew()
        if moody.away is None:
            assert [await redis.hgetall(admission.key) for admission in processes] == [plain.in_redis(0), plain.in_redis(1)]
    assert [Counter(plain.held[0]), Counter(plain.held[1])] == [admission.subscribers for admission in processes]
    assert not any(admission.answers for admission in processes)
    await redis.aclose()


async def try_admit(admission: Admission, person: int) -> bool:
    try:
        await admission.admit(person, 1)
    except TooMany:
        return False
    return True
