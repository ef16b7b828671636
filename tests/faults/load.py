"""Publishers and listeners at work, with everything they did and saw in one history."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import aiohttp
from faults.history import History, Publish
from faults.listener import BREATH_S, BROKEN, Bases, Listener, Refusal, Token, end_all, inbox_of, until

ATTEMPT_S = 10.0
# More members than an event carries, so that the projections' worker writes the rows; few of them listen.
CROWD = 1_200
PASSING = (409, 429, 500, 502, 503, 504)


class Publisher:
    """Sends one thing after another at a rate. keyed: repeats with the same Idempotency-Key until there is an answer."""

    def __init__(self, load: "Load", name: str, rate: float, keyed: bool) -> None:
        self.load = load
        self.name = name
        self.pause_s = 1 / rate
        self.keyed = keyed
        self.rng = random.Random(f"{load.seed} {name}")

    async def run(self) -> None:
        """Until the load stops publishing; then what was begun is brought to an end."""
        loop = asyncio.get_running_loop()
        due = loop.time() + self.rng.random() * self.pause_s
        number = 0
        while not self.load.is_stopping:
            await asyncio.sleep(max(0.0, due - loop.time()))
            # What could not be sent during an outage is not sent all at once after it.
            due = max(due + self.pause_s, loop.time() - 1)
            to, audience = self.load.someone(self.rng)
            publish = self.load.history.publish(self.name, number, audience, loop.time())
            number += 1
            await self.send(publish, to)

    async def send(self, publish: Publish, to: list[Any]) -> None:
        body = {"to": to, "title": publish.mark, "data": {"mark": publish.mark}}
        headers = dict(self.load.headers)
        if self.keyed:
            headers["Idempotency-Key"] = f"{self.load.seed}-{publish.mark}"
        while True:
            status = await self.attempt(publish, body, headers)
            if status == 202:
                return
            is_passing = status in PASSING
            if not is_passing:
                self.load.surprises.append(f"{publish.mark}: {status}")
            if not is_passing or not self.keyed or self.load.gives_up:
                publish.settle("unknown" if is_passing else "refused", asyncio.get_running_loop().time())
                return
            await asyncio.sleep(BREATH_S * self.rng.uniform(0.3, 1))

    async def attempt(self, publish: Publish, body: dict[str, Any], headers: dict[str, str]) -> int:
        """The status; 503 when there was no answer. Where nobody listens nothing was sent, so the next is asked, as a proxy does."""
        publish.attempts += 1
        bases = list(self.load.bases())
        self.rng.shuffle(bases)
        while True:
            for base in bases:
                try:
                    return await self.post(f"{base}/v1/notifications", publish, body, headers)
                except aiohttp.ClientConnectorError:
                    continue
                except BROKEN:
                    return 503
            if self.load.gives_up:
                return 503
            await asyncio.sleep(0.1)

    async def post(self, url: str, publish: Publish, body: dict[str, Any], headers: dict[str, str]) -> int:
        async with self.load.http.post(url, json=body, headers=headers) as response:
            answer = await response.json(content_type=None)
            self.load.statuses[response.status] = self.load.statuses.get(response.status, 0) + 1
            if response.status == 202:
                publish.settle("accepted", asyncio.get_running_loop().time(), answer["id"])
            elif response.status == 500:
                self.load.surprises.append(f"{publish.mark}: {answer}")
            return response.status


class Load:
    """bases: where API processes listen, asked anew each time.   api_key: of a project that is ours alone."""

    def __init__(self, bases: Bases, api_key: str, *, seed: int, listeners: int = 20, publishers: int = 40, rate: float = 200.0) -> None:
        self.bases = bases
        self.seed = seed
        self.headers = {"Authorization": f"Bearer {api_key}"}
        self.api_key = api_key
        self.rng = random.Random(seed)
        self.history = History()
        self.names = [f"listener-{number}" for number in range(listeners)]
        self.publishers = [Publisher(self, f"p{number}", rate / publishers, keyed=number % 5 != 0) for number in range(publishers)]
        self.listeners: list[Listener] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.publishing: list[asyncio.Task[None]] = []
        self.statuses: dict[int, int] = {}
        self.surprises: list[str] = []
        self.is_stopping = self.gives_up = False
        self.team = self.names[: min(10, len(self.names) // 2)]
        self.crowd = self.names[:: max(4, len(self.names) // 10)]

    def someone(self, rng: random.Random) -> tuple[list[Any], Sequence[str]]:
        """Whom to send to: mostly one, sometimes several, a team (resolved when published) or a crowd (resolved by its position)."""
        draw = rng.random()
        if draw < 0.75:
            name = rng.choice(self.names)
            return [name], [name]
        if draw < 0.9:
            several = rng.sample(self.names, 3)
            return [*several, "nobody-listens"], several
        if draw < 0.995:
            return [{"topic": "team"}], self.team
        return [{"topic": "crowd"}], self.crowd

    async def __aenter__(self) -> "Load":
        """Topics made, every listener on its stream."""
        self.http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=ATTEMPT_S, sock_connect=2)
        )
        try:
            await self.add_members("team", self.team)
            crowd = [*self.crowd, *(f"extra-{number}" for number in range(CROWD))]
            for start in range(0, len(crowd), 1000):
                await self.add_members("crowd", crowd[start : start + 1000])
            await self.listen()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await end_all([*self.publishing, *self.tasks])
        await self.http.close()

    async def add_members(self, topic: str, members: Sequence[str]) -> None:
        url = f"{self.bases()[0]}/v1/topics/{topic}/subscribers"
        async with self.http.put(url, json={"add": list(members)}, headers=self.headers) as response:
            assert response.status == 200, await response.text()

    async def listen(self) -> None:
        for name in self.names:
            token = Token(self.http, self.bases, self.api_key, name)
            listener = Listener(self.history.client(name), token, self.bases, self.http, random.Random(self.rng.random()))
            self.listeners.append(listener)
            self.tasks.append(asyncio.create_task(listener.run()))
        await until(lambda: all(listener.cursor for listener in self.listeners), 30, "every stream's ready")

    def publish(self) -> None:
        self.is_stopping = False
        self.publishing = [asyncio.create_task(publisher.run()) for publisher in self.publishers]

    async def stop_publishing(self, within: float = 30) -> None:
        """Begin nothing new; what was begun is repeated until it is answered."""
        self.is_stopping = True
        _, late = await asyncio.wait(self.publishing, timeout=within)
        self.gives_up = True
        if late:
            _, late = await asyncio.wait(late, timeout=ATTEMPT_S + 5)
        assert not late, "publishers that did not end"
        for task in self.publishing:
            task.result()

    async def caught_up(self, within: float = 30) -> float:
        """Until everybody has what was accepted. Answers the seconds it took; what is missing then is for `history.faults()`."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while self.history.missing() and loop.time() - began < within:
            await asyncio.sleep(0.25)
        took = loop.time() - began
        # Nothing more may come: a repeat would come now.
        await asyncio.sleep(0.5)
        return took

    async def inbox_faults(self, within: float = 30) -> list[str]:
        """What was accepted stands in each inbox exactly once, large audiences included."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            faults = [fault for listener in self.listeners for fault in await self.faults_of_inbox(listener)]
            if not faults or loop.time() - began > within:
                return faults
            await asyncio.sleep(0.5)

    async def faults_of_inbox(self, listener: Listener) -> list[str]:
        name = listener.client.subscriber
        try:
            items = await inbox_of(self.http, self.bases()[0], await listener.token.get())
        except (Refusal, *BROKEN) as error:
            return [f"{name}'s inbox cannot be read: {error}"]
        ids = [identity for identity, _ in items]
        accepted = {
            publish.id: publish.mark for publish in self.history.publishes if publish.outcome == "accepted" and name in publish.audience
        }
        lacking = accepted.keys() - ids
        repeated = len(ids) - len(set(ids))
        marks = [mark for _, mark in items]
        return [
            *(f"{accepted[identity]} ({identity}) is not in {name}'s inbox" for identity in lacking),
            *([f"{repeated} items stand twice in {name}'s inbox"] if repeated else []),
            *([f"{len(marks) - len(set(marks))} notifications of {name} have two items"] if len(marks) > len(set(marks)) else []),
        ]

    def told(self) -> str:
        history = self.history
        outcomes = ", ".join(f"{history.count(outcome)} {outcome}" for outcome in ("accepted", "unknown", "refused"))
        attempts = sum(publish.attempts for publish in history.publishes)
        connections = sum(client.connections for client in history.clients)
        resets = sum(len(client.resets) for client in history.clients)
        return (
            f"seed {self.seed}: {len(history.publishes)} publishes ({outcomes}; {attempts} attempts), {history.received} deliveries, "
            f"{history.repeats} repeats, {connections} connections, {resets} resets, answers {self.statuses}"
        )
