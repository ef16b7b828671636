"""Those who listen in the measures of streams: subscribers with tokens of their own, in a topic; and Tidings in turn with its peers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from loadtests.client import ClientFailed, Source, Target
from loadtests.figures import Skipped
from loadtests.ground import Part, Running
from loadtests.peers import Peer

CHUNK = 1000
TITLE = "Your export is ready"


@dataclass(frozen=True)
class Audience:
    """headers: the line that signs each in."""

    subscribers: Sequence[str]
    headers: Sequence[str]
    topic: str

    def source(self, port: int) -> Source:
        return Source(port=port, path="/v1/stream", own_headers=self.headers)

    def target(self, running: Running, port: int, publishers: int = 4) -> Target:
        """A POST for each notification to the topic."""
        return Target(port=port, path="/v1/notifications", headers=running.headers, body=self.body, publishers=publishers)

    def batches(self, running: Running, port: int) -> Target:
        """One POST for all that is due."""
        whole = '{"notifications":[**]}'
        return Target(port=port, path="/v1/notifications/batch", headers=running.headers, body=self.body, batch=whole)

    @property
    def body(self) -> str:
        return f'{{"to":[{{"topic":"{self.topic}"}}],"title":"{TITLE}","body":"@@"}}'


async def audience_of(running: Running, count: int, topic: str) -> Audience:
    """So many new members of a new topic, with a token each. They are the first `count` people of any other audience here."""
    subscribers = [f"person-{number}" for number in range(count)]
    await running.call("PUT", f"/v1/topics/{topic}", {"name": topic})
    for start in range(0, count, CHUNK):
        await running.call("PUT", f"/v1/topics/{topic}/subscribers", {"add": subscribers[start : start + CHUNK]})
    tokens = await running.tokens(subscribers)
    return Audience(subscribers, [f"Authorization: Bearer {token}" for token in tokens], topic)


async def leave(running: Running) -> None:
    """End Tidings' processes; PostgreSQL and Valkey stay, idle."""
    await asyncio.gather(*(part.end() for part in running.parts))
    running.parts.clear()


@asynccontextmanager
async def turn_of(running: Running, workers: Sequence[str] = ("sequencer",)) -> AsyncIterator[Part]:
    """Tidings' processes for one turn, so that no two servers run at once. Yields the API."""
    try:
        for worker in workers:
            await running.start_worker(worker)
        yield await running.start_api()
    finally:
        await leave(running)


async def beside(
    bring: Callable[[], AbstractAsyncContextManager[Peer]], measured: Callable[[Peer], Awaitable[float]], report: Callable[[str], None]
) -> list[float]:
    """What a peer took, in a turn of its own; nothing, with a word, where it cannot be had or loses events."""
    try:
        async with bring() as peer:
            return [await measured(peer)]
    except (Skipped, ClientFailed) as reason:
        report(f"{bring.__name__} skipped: {reason}")
        return []
