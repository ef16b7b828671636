"""The ground that is measured on: PostgreSQL with durability on, Valkey, and Tidings' processes as `tidings run` would start them.

async with tidings() as running:
    running.api.port, running.headers, await running.tokens(["alice", "bob"])
"""

import asyncio
import contextlib
import shutil
import tempfile
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tidings.access.keys import NewKeyRow, insert_key
from tidings.access.principals import Tenant
from tidings.access.projects import ACTOR, create_project, list_projects
from tidings.access.scopes import EVERYTHING
from tidings.access.signing import current_signer
from tidings.access.tokens import mint
from tidings.cli.children import Own, to
from tidings.cli.migrate import migrate_database
from tidings.platform.embedded.memory import free_port
from tidings.platform.embedded.postgres import EmbeddedPostgres
from tidings.platform.embedded.valkey import EmbeddedValkey
from tidings.platform.postgres import Database, open_database
from tidings.platform.redis import open_redis
from tidings.platform.secrets import load_secret
from tidings.settings import Settings

SECRET = "a secret of the load tests, long enough to be one"
READY_WITHIN_S = 30.0
TOKEN_TTL_S = 900


@dataclass
class Part:
    """A process of ours. port: of an API process; 0 of a worker."""

    name: str
    program: Any
    process: Process
    port: int = 0

    @property
    def pid(self) -> int:
        return self.process.pid

    async def end(self) -> None:
        if self.process.returncode is not None:
            return
        self.process.send_signal(self.program.stop_signal)
        try:
            await asyncio.wait_for(self.process.wait(), 30)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()


@dataclass
class Running:
    """A running Tidings. parts: everything that was started, in order; logs lie in `state`."""

    state: Path
    settings: Settings
    database: Database
    redis: Any
    postgres: Part
    valkey: Part
    tenant: Tenant
    api_key: str
    environment: dict[str, str]
    parts: list[Part] = field(default_factory=list)

    @property
    def api(self) -> Part:
        return next(part for part in self.parts if part.name == "api")

    @property
    def sequencer(self) -> Part:
        return next(part for part in self.parts if part.name == "sequencer")

    @property
    def projections(self) -> Part:
        return next(part for part in self.parts if part.name == "projections")

    @property
    def planner(self) -> Part:
        return next(part for part in self.parts if part.name == "planner")

    @property
    def headers(self) -> dict[str, str]:
        """Of a publisher."""
        return {"Authorization": f"Bearer {self.api_key}", "Content-Type": "application/json"}

    async def start_api(self, name: str = "api", role: str = "all", **settings: str) -> Part:
        """settings: as in `TIDINGS_HOST="127.0.0.2"`."""
        port = free_port()
        part = await self.start(name, ("api", "--port", str(port), "--role", role), settings)
        part.port = port
        host = settings.get("TIDINGS_HOST", "127.0.0.1")
        deadline = time.monotonic() + READY_WITHIN_S
        async with aiohttp.ClientSession() as session:
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(f"http://{host}:{port}/health/ready") as answer:
                        if answer.status == 200:
                            return part
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{name} is not ready; see {self.state / name}.log")
                await asyncio.sleep(0.05)

    async def start_worker(self, name: str) -> Part:
        return await self.start(name, ("worker", name), {})

    async def start(self, name: str, arguments: tuple[str, ...], settings: dict[str, str]) -> Part:
        log = (self.state / f"{name}.log").open("ab", buffering=0)
        program = Own(name, arguments, lambda: self.environment | settings, 30, to(log))
        part = Part(name, program, await program.start())
        self.parts.append(part)
        return part

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """The decoded answer of one request with the project's key. Raises RuntimeError for anything but a 2xx."""
        url = f"http://127.0.0.1:{self.api.port}{path}"
        async with aiohttp.ClientSession(headers=self.headers) as session, session.request(method, url, json=body) as answer:
            text = await answer.text()
            if not 200 <= answer.status < 300:
                raise RuntimeError(f"{method} {path} answered {answer.status}: {text[:500]}")
            return await answer.json(content_type=None) if text else None

    async def tokens(self, subscribers: Sequence[str]) -> list[str]:
        """Subscriber tokens, signed as the API signs them."""
        signer = await current_signer(self.database)
        return [mint(signer, self.tenant, subscriber, TOKEN_TTL_S, 0.0)[0] for subscriber in subscribers]


@asynccontextmanager
async def tidings(
    workers: Sequence[str] = ("sequencer",), api: bool = True, kept: Path | None = None, **settings: str
) -> AsyncIterator[Running]:
    """A Tidings of its own, with a project, gone afterwards. settings: as in `TIDINGS_BACKLOG_LIMIT="20000"`.

    kept: the folder of one that stays, and goes on where it ended.
    """
    # Not under a 0700 folder: as root, PostgreSQL runs as another user.
    state = kept or Path(tempfile.mkdtemp(prefix="tidings-load-", dir="/var/tmp"))
    state.mkdir(exist_ok=True)
    state.chmod(0o755)
    postgres, valkey = EmbeddedPostgres(state), EmbeddedValkey(state)
    processes = await asyncio.gather(postgres.start(), valkey.start())
    servers = Part("postgres", postgres, processes[0]), Part("valkey", valkey, processes[1])
    known = Settings(database_url=postgres.url, redis_url=valkey.url, state_dir=state, secret_key=SECRET)
    running: Running | None = None
    try:
        await migrate_database(known)
        load_secret(known)
        database, redis = await open_database(postgres.url, tenant_size=4, name="load test"), open_redis(valkey.url)
        tenant, api_key = await own_project(database, known.shards)
        environment = {
            "TIDINGS_DATABASE_URL": postgres.url,
            "TIDINGS_REDIS_URL": valkey.url,
            "TIDINGS_STATE_DIR": str(state),
            "TIDINGS_SECRET_KEY": SECRET,
            "TIDINGS_DRAIN_S": "0",
            "TIDINGS_LOG_LEVEL": "WARNING",
            "TIDINGS_STREAMS_PER_SUBSCRIBER": "1000",
            "PYTHONUNBUFFERED": "1",
        } | settings
        running = Running(state, known, database, redis, *servers, tenant, api_key, environment)
        for worker in workers:
            await running.start_worker(worker)
        if api:
            await running.start_api()
        yield running
    finally:
        if running is not None:
            await asyncio.gather(*(part.end() for part in running.parts))
            await running.redis.aclose()
            await running.database.close()
        await asyncio.gather(*(server.end() for server in servers))
        if kept is None:
            shutil.rmtree(state, ignore_errors=True)


async def own_project(database: Database, shards: int) -> tuple[Tenant, str]:
    """The first one, with a key that may do everything."""
    known = await list_projects(database)
    if not known:
        return await create_project(database, "Load test", shards)
    tenant = known[0].tenant
    async with database.system.acquire() as connection, connection.transaction():
        _, secret = await insert_key(connection, tenant, NewKeyRow(name="Another key", scopes=[EVERYTHING]), ACTOR)
    return tenant, secret
