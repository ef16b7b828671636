"""Deliveries under way, and all that can be known of them: what was accepted, what the ledger says, what the receivers saw and answered.

A receiver fails by a seed: which attempts of which notification fail is the same in every run with it. One that has said 200 says it to
every repetition, as receivers should; so `dead` and "got it" exclude each other. `ledger.py` has the rules.
"""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from faults.deployment import Deployment
from faults.ledger import Arrival, Attempt, Delivery, Ledger, faults
from faults.listener import until
from faults.load import Load
from webhook_receiver import Received, Receiver, receiving

# Receivers of the tests.
ALLOWED = {"TIDINGS_OUTBOUND_ALLOW": "127.0.0.0/8"}

COUNTS = """
SELECT count(*) FILTER (WHERE state <> 'pending' AND lease_until IS NULL) AS settled, count(*) AS planned
FROM deliveries WHERE destination IN (SELECT id FROM destinations WHERE key = ANY ($1))
"""
DELIVERIES = """
SELECT d.id::text, t.key AS endpoint, d.notification::text, d.state, d.attempts AS counted, d.position, d.finished_at
FROM deliveries d JOIN destinations t ON t.id = d.destination WHERE t.key = ANY ($1) ORDER BY d.position, d.id
"""
ATTEMPTS = """
SELECT a.delivery::text, a.number, a.outcome, a.reason, a.started_at, a.ended_at, a.worker
FROM attempts a WHERE a.destination IN (SELECT id FROM destinations WHERE key = ANY ($1)) ORDER BY a.delivery, a.number
"""


@dataclass
class Door:
    """Where one endpoint's requests come in, and how they are answered.

    fails: the share of attempts that meet a 500.   doomed: the share of notifications that meet nothing else.
    hangs: the share of attempts that are answered after `hangs_s`.   is_open: cleared, answers wait until it is set.
    """

    path: str
    seed: int
    fails: float = 0.0
    doomed: float = 0.0
    hangs: float = 0.0
    hangs_s: float = 5.0
    arrivals: list[Arrival] = field(default_factory=list)
    times: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    has_it: set[str] = field(default_factory=set)
    is_open: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.is_open.set()

    async def answer(self, received: Received) -> web.StreamResponse:
        at = time.time()
        self.times[received.id] += 1
        draw = random.Random(f"{self.seed} {self.path} {received.title} {self.times[received.id]}")
        is_bad = self.is_doomed(received.title) or draw.random() < self.fails
        status = 500 if is_bad and received.id not in self.has_it else 200
        if status == 200:
            self.has_it.add(received.id)
        self.arrivals.append(Arrival(received.id, received.title, received.body, at, status))
        if draw.random() < self.hangs:
            await asyncio.sleep(self.hangs_s)
        await self.is_open.wait()
        return web.Response(status=status)

    def is_doomed(self, title: str) -> bool:
        return random.Random(f"{self.seed} {self.path} {title}").random() < self.doomed


@dataclass
class Delivering:
    """A load whose notifications also go to endpoints. doors: by the endpoint's id."""

    deployment: Deployment
    load: Load
    receiver: Receiver
    doors: dict[str, Door] = field(default_factory=dict)
    schedules: dict[str, Sequence[int]] = field(default_factory=dict)

    async def endpoint(self, door: Door, schedule: Sequence[int], host: str = "127.0.0.1", **fields: Any) -> str:
        """A new one that leads to the door. Its id."""
        self.receiver.answers[door.path] = door.answer
        url = self.receiver.url(door.path).replace("127.0.0.1", host)
        body = {"url": url, "events": ["notification.created"], "schedule": list(schedule), "at_once": 100} | fields
        made: dict[str, Any] = await self.call("POST", "/v1/endpoints", body)
        self.doors[made["id"]], self.schedules[made["id"]] = door, schedule
        return str(made["id"])

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        url = self.deployment.bases()[0] + path
        async with self.load.http.request(method, url, json=body, headers=self.load.headers) as response:
            answer = await response.json(content_type=None)
            assert response.status < 300, (method, path, response.status, answer)
            return answer

    @property
    def accepted(self) -> dict[str, str]:
        """Marks, by the ids of what was accepted."""
        return {one.id: one.mark for one in self.load.history.publishes if one.outcome == "accepted" and one.id is not None}

    async def until_accepted(self, more: float, within: float = 20) -> None:
        count = self.load.history.count("accepted") + more
        await until(lambda: self.load.history.count("accepted") >= count, within, "publishing goes on")

    async def planned(self, count: int, within: float = 20) -> None:
        """Until so many deliveries are in the ledger."""
        await self.until_counts(lambda settled, planned: planned >= count, within)

    async def settled(self, within: float) -> float:
        """Until everything accepted has come to its end at every endpoint. Answers the seconds it took."""
        expected = len(self.accepted) * len(self.doors)
        return await self.until_counts(lambda settled, planned: settled == planned >= expected, within)

    async def until_counts(self, is_enough: Callable[[int, int], bool], within: float) -> float:
        """is_enough: of how many are settled, and how many are planned."""
        connection = await self.deployment.connect()
        began = time.monotonic()
        try:
            while True:
                counts = await connection.fetchrow(COUNTS, list(self.doors))
                if is_enough(*counts):
                    return time.monotonic() - began
                said = f"(settled, planned) = {tuple(counts)}, with {len(self.accepted)} accepted and {len(self.doors)} endpoints"
                assert time.monotonic() - began < within, f"not within {within:g} s: {said}"
                await asyncio.sleep(0.25)
        finally:
            await connection.close()

    async def until_breaker(self, endpoint: str, state: str, within: float) -> None:
        end = time.monotonic() + within
        while (shown := await self.call("GET", f"/v1/endpoints/{endpoint}"))["breaker"] != state:
            assert time.monotonic() < end, shown
            await asyncio.sleep(0.1)

    async def ledger(self) -> Ledger:
        connection = await self.deployment.connect()
        try:
            attempts: defaultdict[str, list[Attempt]] = defaultdict(list)
            for row in await connection.fetch(ATTEMPTS, list(self.doors)):
                attempts[row["delivery"]].append(Attempt(*list(row)[1:]))
            rows = await connection.fetch(DELIVERIES, list(self.doors))
        finally:
            await connection.close()
        arrivals = {endpoint: door.arrivals for endpoint, door in self.doors.items()}
        return Ledger([Delivery(**row, attempts=attempts[row["id"]]) for row in rows], arrivals, self.schedules)

    async def without_faults(self) -> Ledger:
        """The ledger, in which no rule is broken."""
        ledger = await self.ledger()
        found = faults(ledger, self.accepted)
        assert not found, (self.load.seed, len(found), found[:10], self.load.told())
        return ledger

    async def nobody_else_is_hurt(self) -> None:
        """Whoever listens to a stream has got what was accepted, and no answer to a publish was a strange one."""
        await self.load.caught_up(20)
        broken = self.load.history.faults()
        assert not broken, (self.load.seed, broken[:10])
        assert self.load.surprises == []


@asynccontextmanager
async def delivering(deployment: Deployment, api_key: str, seed: int, *, rate: float) -> AsyncIterator[Delivering]:
    """rate: publishes a second, once they begin."""
    async with receiving() as receiver, Load(deployment.bases, api_key, seed=seed, listeners=6, publishers=15, rate=rate) as load:
        yield Delivering(deployment, load, receiver)
