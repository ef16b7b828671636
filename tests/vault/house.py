"""A Tidings of its own whose answers, logs and stores are all kept, to be searched afterwards."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import cycle
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aiohttp
from own_database import own_database
from running import SECRET, Part, Project, Running, Servers, until

from tidings.cli.children import Own
from tidings.platform.embedded.memory import free_port
from tidings.platform.postgres import open_database
from tidings.platform.redis import open_redis
from tidings.settings import Settings
from vault.far_ends import FarEnd

LED = Path(__file__).parent / "led.py"
# Those who send anything.
SENDERS = ("api", "deliveries")
# Of Redis. What other tests left in theirs is nobody's credential here, and their workers must not take what is queued here.
OWN_REDIS = "/7"


class LedOn(Own):
    """A process by way of led.py."""

    log: Path

    async def start(self) -> Process:
        with self.log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, str(LED), *self.arguments, "--supervised"),
                stdin=PIPE, stdout=log, stderr=STDOUT, env=dict(os.environ) | self.settings(), start_new_session=True,
            )  # fmt: skip


class Led(Running):
    def program(self, name: str, arguments: tuple[str, ...], settings: dict[str, str]) -> Own:
        plain = super().program(name, arguments, settings)
        if not set(SENDERS) & set(arguments):
            return plain
        led = LedOn(name, arguments, plain.settings, plain.grace_s, plain.write)
        led.log = self.settings.state_dir / f"{name}.log"
        return led


class House:
    """heard: what was answered, by what was asked.   worker, planner: of those that show figures."""

    def __init__(self, tidings: Led, project: Project, apis: list[str], figures: list[str], workers: list[Part]) -> None:
        self.tidings = tidings
        self.project = project
        self.base_urls = cycle(apis)
        self.figures = figures
        self.workers = workers
        self.heard: dict[str, bytes] = {}

    async def ask(self, method: str, path: str, body: Any = None, *, kept: bool = True, refused: bool = False, once: str = "") -> Any:
        """The answer, decoded. body: bytes are sent as they are.   kept: whether it is to be searched, as all but a few are.

        once: an Idempotency-Key.
        """
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} | self.project.headers | ({"Idempotency-Key": once} if once else {})
        url = next(self.base_urls) + path
        async with aiohttp.ClientSession() as session, session.request(method, url, data=content, headers=headers) as answer:
            text = await answer.read()
            if kept:
                self.heard[f"{len(self.heard)}: {method} {path}"] = f"{answer.status} {answer.headers}\n".encode() + text
            assert (400 <= answer.status < 500) if refused else answer.ok, f"{method} {path} answered {answer.status}: {text[:2000]!r}"
            return await answer.json(content_type=None) if answer.content_type.endswith("json") and text else text.decode()

    async def fetch(self, url: str) -> bytes:
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            assert answer.ok
            return await answer.read()

    async def settled(self) -> list[Any]:
        """All deliveries, when none waits any more."""

        async def found() -> list[Any]:
            items: list[Any] = (await self.ask("GET", "/v1/deliveries?limit=1000"))["items"]
            return items if items and all(item["state"] != "pending" for item in items) else []

        items: list[Any] = await until(found, 60, "all deliveries are settled")
        return items

    async def redis(self) -> bytes:
        """All keys and what they hold."""
        async with self.tidings.servers.redis() as admin:
            # Packed, a text would be cut wherever it repeats another.
            await admin.config_set("rdbcompression", "no")
        redis = open_redis(own_redis(self.tidings.servers))
        try:
            return b"\n".join([key + b" " + (await redis.dump(key) or b"") async for key in redis.scan_iter()])
        finally:
            await redis.aclose()

    async def database(self) -> bytes:
        """As a backup has it: every row of every table."""
        pg_dump = self.tidings.postgres.program.programs / "pg_dump"  # type: ignore[attr-defined]
        dumping = await asyncio.create_subprocess_exec(str(pg_dump), self.tidings.environment["TIDINGS_DATABASE_URL"], stdout=PIPE)
        dump, _ = await asyncio.wait_for(dumping.communicate(), 120)
        assert dumping.returncode == 0
        return dump

    def logs(self) -> dict[str, bytes]:
        """Of all processes, the servers' too."""
        folders = (self.tidings.settings.state_dir, self.tidings.servers.state)
        return {str(path): path.read_bytes() for folder in folders for path in folder.rglob("*.log")}


def own_redis(servers: Servers) -> str:
    """Its URL."""
    return urlunsplit(urlsplit(servers.redis_url)._replace(path=OWN_REDIS))


@asynccontextmanager
async def house(servers: Servers, state_dir: Path, ends: dict[str, FarEnd]) -> AsyncIterator[House]:
    """Two API processes and two workers, of which one each logs as JSON and one as text, and all else that there is."""
    led = {name: end.url for name, end in ends.items() if name != "smtp"}
    async with own_database(servers) as (url, _):
        redis_url = own_redis(servers)
        environment = {
            "TIDINGS_DATABASE_URL": url,
            "TIDINGS_REDIS_URL": redis_url,
            "TIDINGS_STATE_DIR": str(state_dir),
            "TIDINGS_SECRET_KEY": SECRET,
            "TIDINGS_DRAIN_S": "0.5",
            "TIDINGS_LOG_LEVEL": "DEBUG",
            "TIDINGS_LOG_FORMAT": "json",
            "TIDINGS_OUTBOUND_ALLOW": "127.0.0.0/8",
            "FAR_ENDS": json.dumps(led),
            "PYTHONUNBUFFERED": "1",
        }
        settings = Settings(database_url=url, redis_url=redis_url, state_dir=state_dir, secret_key=SECRET, shards=2)
        database = await open_database(url, tenant_size=4, name="tests")
        tidings = Led(servers, settings, environment, database)
        ports = [free_port() for _ in range(3)]
        try:
            _, second, _, *workers = await asyncio.gather(
                tidings.start(),
                tidings.another_api(TIDINGS_LOG_FORMAT="text"),
                tidings.another_worker("planner", TIDINGS_METRICS_PORT=str(ports[0]), TIDINGS_LOG_FORMAT="text"),
                tidings.another_worker("deliveries", TIDINGS_METRICS_PORT=str(ports[1])),
                tidings.another_worker("deliveries", TIDINGS_METRICS_PORT=str(ports[2]), TIDINGS_LOG_FORMAT="text"),
            )
            figures = [f"http://127.0.0.1:{port}/metrics" for port in ports]
            apis = [tidings.base_url, second.base_url]
            yield House(tidings, await tidings.new_project(), apis, figures, workers)
        finally:
            await tidings.end()
            await database.close()
            redis = open_redis(own_redis(servers))
            await redis.flushdb()
            await redis.aclose()
