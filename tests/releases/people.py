"""Publishers and listeners in front of the proxy. These listeners come back when they were told to, as browsers do, and note when."""

import asyncio
import random
from collections.abc import Sequence
from itertools import pairwise

import aiohttp
from faults.listener import BREATH_S, BROKEN, Bases, Event, Listener, Refusal, Token, events_of, until
from faults.load import Load

ENDLESS = aiohttp.ClientTimeout(total=None, sock_connect=5)


class Patient(Listener):
    """comings: when it opened a stream, by the loop's clock.   wait_s: what it was told to wait."""

    def __init__(self, *given: object) -> None:
        super().__init__(*given)  # type: ignore[arg-type]
        self.comings: list[float] = []
        self.wait_s: float | None = None
        self.response: aiohttp.ClientResponse | None = None

    def drop(self) -> None:
        if self.response is not None:
            self.response.close()

    async def take(self, event: Event) -> None:
        if event.name == "ready":
            self.comings.append(asyncio.get_running_loop().time())
        if event.name == "reconnect" and event.retry is not None:
            self.wait_s = event.retry / 1000
        await super().take(event)

    async def follow_once(self) -> None:
        """By a client that reads chunks: as such a proxy passes a stream on."""
        headers = {"Authorization": f"Bearer {await self.token.get()}"} | ({} if self.cursor is None else {"Last-Event-ID": self.cursor})
        async with self.http.get(f"{self.bases()[0]}/v1/stream", headers=headers, timeout=ENDLESS) as response:
            if response.status != 200:
                raise Refusal(response.status, await response.read())
            self.response = response
            self.client.connections += 1
            async for event in events_of(response.content):  # type: ignore[arg-type]
                await self.take(event)

    async def run(self) -> None:
        while True:
            try:
                await self.follow_once()
            except Refusal as refusal:
                self.refusals.append(str(refusal))
            except BROKEN:
                pass
            finally:
                self.ready.clear()
            wait_s, self.wait_s = self.wait_s, None
            await asyncio.sleep(BREATH_S * self.rng.uniform(0.2, 1) if wait_s is None else wait_s)


class People(Load):
    async def __aenter__(self) -> "People":
        await super().__aenter__()
        return self

    patients: list[Patient]

    def __init__(self, bases: Bases, api_key: str, *, listeners: int, rate: float, seed: int = 1) -> None:
        super().__init__(bases, api_key, seed=seed, listeners=listeners, publishers=10, rate=rate)
        self.patients = []

    async def listen(self) -> None:
        for name in self.names:
            token = Token(self.http, self.bases, self.api_key, name)
            listener = Patient(self.history.client(name), token, self.bases, self.http, random.Random(self.rng.random()))
            self.patients.append(listener)
            self.listeners.append(listener)
            self.tasks.append(asyncio.create_task(listener.run()))
        await until(lambda: all(listener.cursor for listener in self.listeners), 30, "every stream's ready")

    def drop_all(self) -> None:
        for patient in self.patients:
            patient.drop()

    def comings(self, since: float) -> list[float]:
        return sorted(at for patient in self.patients for at in patient.comings if at >= since)


def peak_over_mean(comings: Sequence[float]) -> float:
    """Most reconnects within any second, beside those of a second on average while streams come back.

    The pause between two processes that are drained one after another is not counted: it would make any drain look like a peak.
    """
    peak = max(sum(begin <= at < begin + 1 for at in comings) for begin in comings)
    pauses = sum(pause for one, other in pairwise(comings) if (pause := other - one) > 1)
    return peak / (len(comings) / max(1.0, comings[-1] - comings[0] - pauses))
