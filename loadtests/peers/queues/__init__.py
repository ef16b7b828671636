"""Job queues that send webhooks, one job each and without a ledger: what a team would build first. And aiohttp with no queue at all.

`async with PEERS[name](sending)`: all jobs are written to Redis, then one process works on them, a hundred at a time.
"""

import os
import shutil
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from loadtests.client.build import cache_folder
from loadtests.figures import Skipped
from loadtests.peers import met
from loadtests.peers.process import scratch, started
from loadtests.peers.pypi import environment, install
from tidings.platform.redis import open_redis

PROGRAMS = Path(__file__).parent / "programs"
# As Tidings has them, so that only what stands on them differs.
SENDS_WITH = (f"aiohttp=={version('aiohttp')}", f"uvloop=={version('uvloop')}")
BULLMQ = "6.7.0"
IOREDIS = "5.8.2"


class Sending(msgspec.Struct, frozen=True):
    """redis_url: where jobs wait, in a database apart from Tidings' own.   url: of the receiver.

    seconds: for how long there must be jobs.
    """

    redis_url: str
    url: str
    seconds: float


Sender = Callable[[Sending], AbstractAsyncContextManager[Process]]


@asynccontextmanager
async def of_python(
    sending: Sending, *, program: str, name: str, at: str, most_a_second: int, needs: Sequence[str]
) -> AsyncIterator[Process]:
    """at: its version.   most_a_second: more than it sends; so many jobs are written for each second.

    needs: from PyPI, in an environment of its own; without any, ours.
    """
    python = str(await environment(f"{program}-{at}", [*needs, *SENDS_WITH])) if needs else sys.executable
    met[name] = at
    async with running([python, str(PROGRAMS / f"{program}.py")], sending, most_a_second) as process:
        yield process


@asynccontextmanager
async def bullmq(sending: Sending, *, sends_by: str, most_a_second: int) -> AsyncIterator[Process]:
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        raise Skipped("there is no node")
    folder = cache_folder() / f"bullmq-{BULLMQ}-{IOREDIS}"
    if not (folder / "complete").exists():
        folder.mkdir(parents=True, exist_ok=True)
        await install(npm, "install", "--silent", "--no-audit", "--no-fund", f"bullmq@{BULLMQ}", f"ioredis@{IOREDIS}", folder=folder)
        (folder / "complete").touch()
    met["BullMQ"] = BULLMQ
    async with running(
        [node, str(PROGRAMS / "bullmq_jobs.mjs")], sending, most_a_second, {"BULLMQ": str(folder), "SENDS_BY": sends_by}
    ) as process:
        yield process


@asynccontextmanager
async def running(
    words: Sequence[str], sending: Sending, most_a_second: int, environ: Mapping[str, str] | None = None
) -> AsyncIterator[Process]:
    jobs = str(int(most_a_second * (sending.seconds + 1)))
    url = urlsplit(sending.redis_url)._replace(path="/1").geturl()
    try:
        async with scratch() as folder, started([*words, url, sending.url, jobs], folder, None, os.environ | (environ or {})) as process:
            yield process
    finally:
        redis = open_redis(url)
        await redis.flushdb()
        await redis.aclose()


PEERS: dict[str, Sender] = {
    "aiohttp alone": partial(of_python, program="aiohttp_alone", name="aiohttp alone", at=version("aiohttp"), most_a_second=0, needs=()),
    "arq": partial(of_python, program="arq_jobs", name="arq", at=version("arq"), most_a_second=1500, needs=()),
    "saq": partial(of_python, program="saq_jobs", name="saq", at="0.26.4", most_a_second=2000, needs=("saq[redis]==0.26.4",)),
    "taskiq": partial(
        of_python,
        program="taskiq_jobs",
        name="taskiq",
        at="0.13.0",
        most_a_second=2500,
        needs=("taskiq==0.13.0", "taskiq-redis==1.2.4"),
    ),
    "BullMQ": partial(bullmq, sends_by="fetch", most_a_second=3500),
    "BullMQ by node:http": partial(bullmq, sends_by="http", most_a_second=9000),
}
