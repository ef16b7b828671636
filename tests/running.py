"""Tidings as real processes, to be killed, stopped and started again by tests.

    servers   PostgreSQL and Valkey, without durability, for the whole session
    tidings   an API process, a sequencer and a projections' worker on them; whatever a test broke is mended after it

Processes write to STATE/NAME.log; a failed wait shows the end of it.
"""

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tidings.access.projects import create_project
from tidings.cli.children import Own, to
from tidings.platform.embedded.memory import free_port
from tidings.platform.embedded.postgres import WITHOUT_DURABILITY, EmbeddedPostgres
from tidings.platform.embedded.valkey import EmbeddedValkey
from tidings.platform.postgres import Database, open_database
from tidings.platform.redis import open_redis
from tidings.platform.secrets import load_secret
from tidings.platform.supervisor import Program
from tidings.settings import Settings

SECRET = "a secret of the tests, long enough to be one"
# Short, so that ending a process does not take the suite's time; a test of draining asks for its own.
DRAIN_S = 0.5


async def until(condition: Callable[[], Awaitable[Any]], within: float = 10, what: str = "") -> Any:
    """Wait for a condition; its first true answer. Fails after `within` seconds."""
    loop = asyncio.get_running_loop()
    end = loop.time() + within
    while True:
        if answer := await condition():
            return answer
        assert loop.time() < end, f"not within {within:g} s: {what or getattr(condition, '__name__', condition)}"
        await asyncio.sleep(0.02)


async def listens(port: int) -> bool:
    """Whether something on this machine takes connections there."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


class Part:
    """A process of a running system, in the hands of a test."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.process: Process | None = None
        self.is_stopped = False

    @property
    def name(self) -> str:
        return self.program.name

    @property
    def pid(self) -> int:
        assert self.process is not None, f"{self.name} was never started"
        return self.process.pid

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.returncode is None

    async def start(self) -> None:
        """Start it, again if it died. A server answers when this returns; an API process may need a moment more."""
        if self.is_running:
            return
        # A killed PostgreSQL holds its memory until its last backend has noticed.
        for attempt in range(50):
            try:
                self.process = await self.program.start()
                return
            except Exception:
                if attempt == 49:
                    raise
                await asyncio.sleep(0.1)

    async def kill(self) -> None:
        """SIGKILL: it gets no chance to say goodbye."""
        self.signal(signal.SIGKILL)
        await self.ended()

    async def end(self, within: float = 30) -> int:
        """The polite way; its exit code."""
        self.go_on()
        self.signal(self.program.stop_signal)
        return await self.ended(within)

    async def restart(self) -> None:
        await self.end()
        await self.start()

    async def ended(self, within: float = 30) -> int:
        assert self.process is not None
        return await asyncio.wait_for(self.process.wait(), within)

    def stop(self) -> None:
        """SIGSTOP: it stands still, with its connections open. PostgreSQL's backends go on: only its parent stands."""
        self.signal(signal.SIGSTOP)
        self.is_stopped = True

    def go_on(self) -> None:
        if self.is_stopped:
            self.signal(signal.SIGCONT)
            self.is_stopped = False

    def signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)
        if number == signal.SIGKILL:
            self.is_stopped = False


class Api(Part):
    """An API process of its own port."""

    def __init__(self, program: Program, port: int) -> None:
        super().__init__(program)
        self.port = port
        self.base_url = f"http://127.0.0.1:{port}"

    async def health(self) -> tuple[int, dict[str, Any]]:
        """Of /health/ready; (0, {}) when it does not answer."""
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session,
                session.get(f"{self.base_url}/health/ready") as answer,
            ):
                return answer.status, await answer.json()
        except (aiohttp.ClientError, TimeoutError):
            return 0, {}

    async def ready(self, within: float = 20, status: str | None = None) -> None:
        """Wait until it is ready; with `status`, until it says that (ok, degraded)."""

        async def is_ready() -> bool:
            code, health = await self.health()
            return code == 200 and (status is None or health["status"] == status)

        await until(is_ready, within, f"{self.name} is ready")


@dataclass
class Servers:
    """PostgreSQL and Valkey of this session."""

    state: Path
    postgres: Part
    valkey: Part
    database_url: str
    redis_url: str

    @asynccontextmanager
    async def redis(self) -> AsyncIterator[Any]:
        redis = open_redis(self.redis_url)
        try:
            yield redis
        finally:
            await redis.aclose()

    async def flushall(self) -> None:
        async with self.redis() as redis:
            await redis.flushall()


async def start_servers(state: Path) -> Servers:
    postgres, valkey = EmbeddedPostgres(state, WITHOUT_DURABILITY), EmbeddedValkey(state)
    parts = Part(postgres), Part(valkey)
    await asyncio.gather(*(part.start() for part in parts))
    return Servers(state, *parts, postgres.url, valkey.url)


@dataclass
class Project:
    """A project of its own, with a key that may do everything. base_url: of the API process that serves it first."""

    id: int
    key: str
    shard: int
    api_key: str
    base_url: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api_key}"}

    async def call(self, method: str, path: str, body: Any = None, *, expect: int | None = None, **headers: str) -> Any:
        """The decoded answer to one request; fails unless its status is `expect` (any 2xx by default)."""
        async with (
            aiohttp.ClientSession(headers=self.headers | headers) as session,
            session.request(method, self.base_url + path, json=body) as answer,
        ):
            text = await answer.text()
            is_expected = answer.status == expect if expect is not None else 200 <= answer.status < 300
            assert is_expected, f"{method} {path} answered {answer.status}: {text[:2000]}"
            return await answer.json(content_type=None) if text else None

    async def publish(self, title: str, to: list[Any], **more: Any) -> str:
        """The notification's id."""
        answer = await self.call("POST", "/v1/notifications", {"to": to, "title": title} | more)
        return str(answer["id"])

    async def token(self, subscriber: str, ttl: int = 900) -> str:
        answer = await self.call("POST", f"/v1/subscribers/{subscriber}/tokens", {"ttl": ttl})
        return str(answer["token"])


@dataclass
class Running:
    """A running Tidings. api: the first API process."""

    servers: Servers
    settings: Settings
    environment: dict[str, str]
    database: Database
    api: Api = field(init=False)
    sequencer: Part = field(init=False)
    projections: Part = field(init=False)
    extra: list[Part] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.api = self.new_api("api", {})
        self.sequencer = self.new_worker("sequencer", "sequencer", {})
        self.projections = self.new_worker("projections", "projections", {})

    @property
    def base_url(self) -> str:
        return self.api.base_url

    @property
    def postgres(self) -> Part:
        return self.servers.postgres

    @property
    def valkey(self) -> Part:
        return self.servers.valkey

    @property
    def parts(self) -> list[Part]:
        return [self.postgres, self.valkey, self.api, self.sequencer, self.projections]

    async def start(self) -> None:
        await asyncio.gather(*(part.start() for part in self.parts))
        await self.api.ready(30, "ok")

    async def mend(self) -> None:
        """After a test: end what it added, start what it ended, wait until all is well."""
        for part in self.extra:
            await end_somehow(part)
        self.extra.clear()
        for part in self.parts:
            part.go_on()
        await self.start()

    async def end(self) -> None:
        await asyncio.gather(*(end_somehow(part) for part in [*self.extra, self.api, self.sequencer, self.projections]))

    async def another_api(self, role: str = "all", **settings: str) -> Api:
        """A second API process on a port of its own, ready. settings: as in `TIDINGS_DRAIN_S="10"`."""
        api = self.new_api(f"api-{len(self.extra) + 2}", settings, role)
        self.extra.append(api)
        await api.start()
        await api.ready()
        return api

    async def another_worker(self, worker: str, **settings: str) -> Part:
        """A second sequencer or projections' worker, started."""
        part = self.new_worker(f"{worker}-{len(self.extra) + 2}", worker, settings)
        self.extra.append(part)
        await part.start()
        return part

    async def new_project(self, name: str = "Test") -> Project:
        load_secret(self.settings)
        tenant, api_key = await create_project(self.database, name, self.settings.shards)
        return Project(tenant.id, tenant.key, tenant.shard, api_key, self.base_url)

    def new_api(self, name: str, settings: dict[str, str], role: str = "all") -> Api:
        port = free_port()
        return Api(self.program(name, ("api", "--port", str(port), "--role", role), settings), port)

    def new_worker(self, name: str, worker: str, settings: dict[str, str]) -> Part:
        return Part(self.program(name, ("worker", worker), settings))

    def program(self, name: str, arguments: tuple[str, ...], settings: dict[str, str]) -> Own:
        log = (self.settings.state_dir / f"{name}.log").open("ab", buffering=0)
        return Own(name, arguments, lambda: self.environment | settings, 30, to(log))  # type: ignore[arg-type]

    def log_of(self, part: Part) -> str:
        return (self.settings.state_dir / f"{part.name}.log").read_text()


@asynccontextmanager
async def running(servers: Servers, database_url: str, **settings: str) -> AsyncIterator[Running]:
    """A Tidings on a migrated database. settings: as in `TIDINGS_DRAIN_S="10"`."""
    environment = {
        "TIDINGS_DATABASE_URL": database_url,
        "TIDINGS_REDIS_URL": servers.redis_url,
        "TIDINGS_STATE_DIR": str(servers.state),
        "TIDINGS_SECRET_KEY": SECRET,
        "TIDINGS_DRAIN_S": str(DRAIN_S),
        "TIDINGS_LOG_LEVEL": "INFO",
        # Receivers of the tests.
        "TIDINGS_OUTBOUND_ALLOW": "127.0.0.0/8",
        "PYTHONUNBUFFERED": "1",
    } | settings
    known = Settings(database_url=database_url, redis_url=servers.redis_url, state_dir=servers.state, secret_key=SECRET)
    database = await open_database(database_url, tenant_size=4, name="tests")
    tidings = Running(servers, known, environment, database)
    try:
        await tidings.start()
        yield tidings
    finally:
        await tidings.end()
        await database.close()


async def end_somehow(part: Part) -> None:
    if not part.is_running:
        return
    try:
        await part.end(within=20)
    except TimeoutError:
        await part.kill()
