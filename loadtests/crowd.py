"""Drives `client/crowd.c`: many streams that leave, come back, and notice every event that is missing, twice or out of order.

Also what a measure publishes to such a crowd, with the markers that it looks for.
"""

import asyncio
import json
import time
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from loadtests.client.build import built
from loadtests.ground import Part, Running

WRONG = ("gaps", "repeats", "backward", "foreign", "resets", "lost", "refused", "failed")


class Crowd:
    """The streams of one process of the client; all its connections go to one port."""

    def __init__(self, process: Process, streams: int, tokens: Path) -> None:
        self.process = process
        self.streams = streams
        self.tokens = tokens
        self.talking = asyncio.Lock()

    @property
    def pid(self) -> int:
        return self.process.pid

    async def ask(self, command: str) -> dict[str, Any]:
        """Raises RuntimeError when it does not come about in the seconds that the command names."""
        answer = await self.exchange(command)
        if not answer or answer.get("done") is False or "error" in answer:
            seen = wrong_of([await self.report()]) if answer else "it has ended"
            raise RuntimeError(f"{command!r}: {answer}, {seen}")
        return answer

    async def report(self) -> dict[str, Any]:
        """What was seen since the crowd began, and how long things took since the last report."""
        return await self.exchange("report")

    async def exchange(self, command: str) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        async with self.talking:
            self.process.stdin.write(f"{command}\n".encode())
            line = await self.process.stdout.readline()
        answer: dict[str, Any] = json.loads(line or b"{}")
        return answer

    async def sign_in_with(self, tokens: Sequence[str]) -> None:
        """From now on: those that it began with live 15 minutes."""
        write_tokens(self.tokens, tokens)
        await self.ask(f"tokens {self.tokens}")


@asynccontextmanager
async def crowd(
    running: Running, port: int, tokens: Sequence[str], streams: int, first_source: int = 2, sources: int = 8
) -> AsyncIterator[Crowd]:
    program = await asyncio.to_thread(built, "crowd")
    path = running.state / f"tokens-{port}-{first_source}"
    write_tokens(path, tokens)
    words = (str(port), str(path), str(streams), str(first_source), str(sources))
    process = await asyncio.create_subprocess_exec(str(program), *words, stdin=PIPE, stdout=PIPE, limit=4 * 1024 * 1024)
    try:
        yield Crowd(process, streams, path)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 10)
        except TimeoutError:
            process.kill()
            await process.wait()


def write_tokens(path: Path, tokens: Sequence[str]) -> None:
    path.write_text("\n".join(tokens) + "\n")


def wrong_of(reports: Iterable[dict[str, Any]]) -> dict[str, int]:
    """What must be nothing, summed over crowds."""
    found: Counter[str] = Counter()
    for one in reports:
        found.update({name: one[name] for name in WRONG})
    return {name: count for name, count in found.items() if count}


def percentiles(reports: Iterable[dict[str, Any]], name: str, *shares: float) -> list[float]:
    """Milliseconds, from the histograms of all crowds together; 1.0 is the longest."""
    often: Counter[int] = Counter()
    for one in reports:
        for ms, count in one[name]:
            often[ms] += count
    total, found = often.total(), []
    for share in shares:
        reached = 0
        for ms in sorted(often):
            reached += often[ms]
            if reached >= share * total:
                found.append(float(ms))
                break
        else:
            found.append(float("nan"))
    return found


async def join(running: Running, topic: str, people: Sequence[str]) -> None:
    """1,000 at a time, which is what a call may hold."""
    for start in range(0, len(people), 1000):
        await running.call("PUT", f"/v1/topics/{topic}/subscribers", {"add": list(people[start : start + 1000])})


def to_all(topic: str, number: int) -> dict[str, Any]:
    """A notification with the marker, and about as long as a real one."""
    return {"to": [{"topic": topic}], "title": f"Number {number} ~a.{number}.{time.monotonic_ns()}~", "body": "x" * 160}


def to_one(person: str, stream: int) -> dict[str, Any]:
    return {"to": [person], "title": f"Yours ~o.{stream}.{time.monotonic_ns()}~", "body": "x" * 160}


async def publish(running: Running, notifications: Sequence[dict[str, Any]], together: int = 100) -> None:
    """In batches, in order. Raises RuntimeError when one is not accepted."""
    async with aiohttp.ClientSession(headers=running.headers) as session:
        for start in range(0, len(notifications), together):
            body = {"notifications": notifications[start : start + together]}
            async with session.post(f"http://127.0.0.1:{running.api.port}/v1/notifications/batch", json=body) as answer:
                results = (await answer.json())["results"] if answer.status == 202 else [{"error": await answer.text()}]
            errors = [result["error"] for result in results if "error" in result]
            if errors:
                raise RuntimeError(f"not accepted: {errors[0]}")


async def sequenced(running: Running) -> None:
    """Until everything has its position and the processes have had time to take it in."""
    while await running.database.system.fetchval("SELECT EXISTS (SELECT FROM outbox)"):
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.5)


async def restart_api(running: Running, old: Part, **settings: str) -> Part:
    """The process again, as after a deployment: nothing in its memory but what it loads itself."""
    await old.end()
    running.parts.remove(old)
    return await running.start_api(old.name, **settings)
