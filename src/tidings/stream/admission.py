"""How many streams a subscriber and a project may hold, counted over all processes.

Each process keeps a hash of its own counts in Redis and a lease in a sorted set; the sum over living processes is the count, so a
process that was killed counts until its lease ends (30 s) and no longer. Everything goes through one queue, which makes a storm of
opens a few scripts and leaves no race between counting and rewriting. While Redis is away each process counts for itself and says so.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NamedTuple, TypeVar

from tidings.errors import TooMany
from tidings.platform.ending import end_tasks
from tidings.platform.gather import Gather
from tidings.platform.redis import REDIS_AWAY

LIVE = "tidings:streams:live"
LEASE_S = 30
RENEW_S = 5.0
PATIENCE_S = 1.0
# In so many slices, because a storm may hold the loop for longer than all of them: Redis has answered by then, and nobody has read it.
SLICES = 10

# KEYS: the sorted set, the own hash.  ARGV: the process, lease, limits, whether the hash should exist, number of releases,
# (field, count)…, (subscriber's field, project's field)….  Answers 0 admitted, 1 subscriber's limit, 2 project's limit, for each; or
# -1 when the own hash is gone and must be rewritten first.
SCRIPT = """
local now = tonumber(redis.call('TIME')[1])
if ARGV[5] == '1' and redis.call('EXISTS', KEYS[2]) == 0 then return {-1} end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. now)
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), ARGV[1])
local at = 7
for i = 1, tonumber(ARGV[6]) do
    if redis.call('HINCRBY', KEYS[2], ARGV[at], -tonumber(ARGV[at + 1])) <= 0 then redis.call('HDEL', KEYS[2], ARGV[at]) end
    at = at + 2
end
local sums = {}
local others = redis.call('ZRANGE', KEYS[1], 0, -1)
local function sum(field)
    if sums[field] == nil then
        local total = 0
        for _, process in ipairs(others) do total = total + tonumber(redis.call('HGET', 'tidings:streams:' .. process, field) or 0) end
        sums[field] = total
    end
    return sums[field]
end
local answers = {}
while at <= #ARGV do
    local subscriber, project = ARGV[at], ARGV[at + 1]
    if sum(subscriber) >= tonumber(ARGV[3]) then answers[#answers + 1] = 1
    elseif sum(project) >= tonumber(ARGV[4]) then answers[#answers + 1] = 2
    else
        for _, field in ipairs({subscriber, project}) do
            redis.call('HINCRBY', KEYS[2], field, 1)
            sums[field] = sums[field] + 1
        end
        answers[#answers + 1] = 0
    end
    at = at + 2
end
redis.call('EXPIRE', KEYS[2], ARGV[2])
return answers
"""


V = TypeVar("V")


class Ask(NamedTuple):
    """number: makes equal asks distinct."""

    number: int
    subscriber: int
    project: int


class Admission:
    """`admit` before a stream opens, `release` when it ended."""

    def __init__(
        self, redis: Any, process: str, per_subscriber: int, per_project: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.redis = redis
        self.script = redis.register_script(SCRIPT)
        self.process = process
        self.key = f"tidings:streams:{process}"
        self.limits = (per_subscriber, per_project)
        self.clock = clock
        self.subscribers: Counter[int] = Counter()
        self.projects: Counter[int] = Counter()
        self.released: Counter[str] = Counter()
        self.answers: dict[Ask, asyncio.Future[int]] = {}
        self.is_written = False
        self.away = False
        self.number = 0
        self.gather: Gather[Ask, int] = Gather(self.ask, paced=True)
        self.task: asyncio.Task[None] | None = None

    async def admit(self, subscriber: int, project: int) -> None:
        """Raises TooMany, which says which limit it was and who counted."""
        self.number += 1
        ask = Ask(self.number, subscriber, project)
        answer = self.answers[ask] = self.gather.get(ask)
        try:
            verdict = await answer
        except asyncio.CancelledError:
            # Cancelled just after it was answered: what it was given is handed back. Before, `ask` sees it.
            if not answer.cancelled() and answer.exception() is None and not answer.result():
                self.release(subscriber, project)
            raise
        if verdict:
            whose, limit = ("A subscriber", self.limits[0]) if verdict == 1 else ("A project", self.limits[1])
            counted = "by this process alone, because Redis is away" if self.away else "over all processes"
            raise TooMany(
                f"{whose} may hold {limit} streams at a time (counted {counted}); close one first.",
                retry_after=5,
                limit="streams_per_subscriber" if verdict == 1 else "streams_per_project",
                counted="process" if self.away else "deployment",
            )

    def release(self, subscriber: int, project: int) -> None:
        for held, key in ((self.subscribers, subscriber), (self.projects, project)):
            held[key] -= 1
            if held[key] <= 0:
                del held[key]
        self.released[f"s:{subscriber}"] += 1
        self.released[f"p:{project}"] += 1

    async def processes(self) -> int | None:
        """How many hold a lease, this one among them; one that was killed for 35 s more. None while Redis is away."""
        if self.away:
            return None
        try:
            async with asyncio.timeout(PATIENCE_S):
                return int(await self.redis.zcard(LIVE))
        except REDIS_AWAY:
            return None

    # The queue: asks, releases and renewals one after the other

    async def ask(self, asks: list[Ask]) -> Mapping[Ask, int | Exception]:
        # An ask without a subscriber renews the lease and hands in what was released.
        wanted = [ask for ask in asks if ask.project]
        # A renewal tries Redis again; an opening does not wait for one that is known to be away.
        if not self.away or len(wanted) < len(asks):
            try:
                verdicts = await patiently(self.count_together(wanted))
                self.away = False
            except REDIS_AWAY:
                self.away, self.is_written = True, False
        if self.away:
            # Counted from `subscribers` when Redis is back.
            self.released.clear()
            verdicts = self.count_alone(wanted)
        for ask, verdict in zip(wanted, verdicts, strict=True):
            is_given_up = self.answers.pop(ask).cancelled()
            if not verdict:
                self.subscribers[ask.subscriber] += 1
                self.projects[ask.project] += 1
                if is_given_up:
                    self.release(ask.subscriber, ask.project)
        return dict(zip(wanted, verdicts, strict=True)) | {ask: 0 for ask in asks if not ask.project}

    async def count_together(self, asks: list[Ask]) -> list[int]:
        if not self.is_written:
            await self.rewrite()
        released, self.released = self.released, Counter()
        while True:
            arguments: list[Any] = [self.process, LEASE_S, *self.limits, int(bool(self.subscribers or released)), len(released)]
            for field, count in released.items():
                arguments += (field, count)
            for ask in asks:
                arguments += (f"s:{ask.subscriber}", f"p:{ask.project}")
            verdicts = await self.script(keys=[LIVE, self.key], args=arguments)
            if verdicts != [-1]:
                return verdicts  # type: ignore[no-any-return]
            released = Counter()
            await self.rewrite()

    async def rewrite(self) -> None:
        """The own hash from what is held: after a start, an outage or a FLUSHALL."""
        self.released.clear()
        fields = {f"s:{key}": count for key, count in self.subscribers.items()} | {
            f"p:{key}": count for key, count in self.projects.items()
        }
        pipeline = self.redis.pipeline(transaction=True)
        pipeline.delete(self.key)
        if fields:
            pipeline.hset(self.key, mapping=fields)
            pipeline.expire(self.key, LEASE_S)
        await pipeline.execute()
        self.is_written = True

    def count_alone(self, asks: list[Ask]) -> list[int]:
        subscribers: Counter[int] = Counter()
        projects: Counter[int] = Counter()
        verdicts = []
        for ask in asks:
            if self.subscribers[ask.subscriber] + subscribers[ask.subscriber] >= self.limits[0]:
                verdicts.append(1)
            elif self.projects[ask.project] + projects[ask.project] >= self.limits[1]:
                verdicts.append(2)
            else:
                subscribers[ask.subscriber] += 1
                projects[ask.project] += 1
                verdicts.append(0)
        return verdicts

    # The lease

    def start(self) -> None:
        self.task = asyncio.create_task(self.renew_for_ever())

    async def renew_for_ever(self) -> None:
        while True:
            await self.renew()
            waited = 0.0
            # What was released is handed in soon, so that nobody is refused for a stream that has ended.
            while waited < RENEW_S and not (self.released and waited >= 0.1) and not (self.away and waited >= 1):
                await asyncio.sleep(0.1)
                waited += 0.1

    async def renew(self) -> None:
        self.number += 1
        await self.gather.get(Ask(self.number, 0, 0))

    async def stop(self) -> None:
        await end_tasks([self.task])
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self.redis.delete(self.key)
                await self.redis.zrem(LIVE, self.process)
        except REDIS_AWAY:
            pass


async def patiently(work: Coroutine[Any, Any, V]) -> V:
    """What comes of it, if it comes within PATIENCE_S and SLICES turns of the loop. Raises TimeoutError."""
    task = asyncio.create_task(work)
    try:
        for _ in range(SLICES):
            done, _ = await asyncio.wait((task,), timeout=PATIENCE_S / SLICES)
            if done:
                return task.result()
    finally:
        task.cancel()
    raise TimeoutError
