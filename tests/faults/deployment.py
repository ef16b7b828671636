"""A whole Tidings whose every process can be killed, stopped and started again by itself: no supervisor hides what happens.

PostgreSQL and Valkey are the embedded ones; API processes, sequencers, the projections' worker, and where a test asks for them planners
and deliveries workers are the commands people run.
"""

import asyncio
import json
import os
import shutil
import signal
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
from faults.listener import BROKEN

from tidings.errors import Unavailable
from tidings.events.live import last_position, stream_key
from tidings.platform.embedded.memory import free_port
from tidings.platform.embedded.place import make_state
from tidings.platform.embedded.postgres import EmbeddedPostgres
from tidings.platform.embedded.valkey import EmbeddedValkey
from tidings.platform.redis import open_redis

# A killed process loses no write that reached the kernel, so fsync may be off; commits must be written when they are answered.
KILLED_NOT_UNPLUGGED = {"fsync": "off", "synchronous_commit": "on", "shared_buffers": "64MB"}
STARTS_WITHIN_S = 30.0


class Part:
    """One of our processes. wrapper: a command that runs it, as in ("faketime", "-f", "+1h")."""

    def __init__(self, deployment: "Deployment", name: str, arguments: Sequence[str], wrapper: Sequence[str] = ()) -> None:
        self.deployment = deployment
        self.name = name
        self.arguments = arguments
        self.wrapper = wrapper
        self.process: Process | None = None
        self.starts = 0

    @property
    def log(self) -> Path:
        return self.deployment.state / f"{self.name}.out"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.returncode is None

    async def start(self) -> None:
        assert not self.is_running
        self.starts += 1
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(*self.wrapper, sys.executable, "-m", "tidings.cli", *self.arguments, "--supervised"),
                stdin=asyncio.subprocess.PIPE,  # ends with this process, and takes the child with it
                stdout=log,
                stderr=log,
                env=self.deployment.environment(),
                start_new_session=True,
            )

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        if self.process.returncode is None:
            os.kill(self.process.pid, number)

    def pause(self) -> None:
        self.signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.signal(signal.SIGCONT)

    async def kill(self) -> None:
        if self.is_running:
            self.signal(signal.SIGKILL)
            await self.ended()

    async def terminate(self, within: float = 30) -> float:
        """SIGTERM. Answers how long it took to end."""
        began = time.monotonic()
        self.signal(signal.SIGTERM)
        await self.ended(within)
        return time.monotonic() - began

    async def ended(self, within: float = 10) -> int:
        assert self.process is not None
        return await asyncio.wait_for(self.process.wait(), within)

    def lines(self) -> list[str]:
        return self.log.read_text(errors="replace").splitlines() if self.log.exists() else []

    def last_words(self) -> str:
        return "\n".join(self.lines()[-30:])


class Api(Part):
    def __init__(self, deployment: "Deployment", name: str, wrapper: Sequence[str] = ()) -> None:
        self.port = free_port()
        super().__init__(deployment, name, ("api", "--port", str(self.port)), wrapper)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def status(self, path: str = "/health/ready") -> int:
        """0 when it does not answer."""
        try:
            async with self.deployment.http.get(self.base + path, timeout=aiohttp.ClientTimeout(total=5)) as response:
                return response.status
        except BROKEN:
            return 0

    async def ready(self, within: float = STARTS_WITHIN_S) -> None:
        until = time.monotonic() + within
        while await self.status() != 200:
            assert self.is_running, f"{self.name} ended: {self.lines()[-5:]}"
            assert time.monotonic() < until, f"{self.name} was not ready within {within:g} s: {self.lines()[-5:]}"
            await asyncio.sleep(0.05)

    async def health(self) -> dict[str, Any]:
        async with self.deployment.http.get(self.base + "/health/ready") as response:
            answer: dict[str, Any] = await response.json(content_type=None)
            return answer

    async def metric(self, name: str) -> float:
        """The sum of a figure over its labels."""
        async with self.deployment.http.get(self.base + "/metrics") as response:
            lines = (await response.text()).splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((f"{name} ", f"{name}{{")))


class Server:
    """PostgreSQL or Valkey, as one that can be killed."""

    def __init__(self, program: EmbeddedPostgres | EmbeddedValkey) -> None:
        self.program = program
        self.name = program.name
        self.process: Process | None = None

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.returncode is None

    async def start(self) -> None:
        """Waits for what a killed predecessor left behind: PostgreSQL's children need a moment to learn that they are orphans."""
        until = time.monotonic() + STARTS_WITHIN_S
        while True:
            try:
                self.process = await self.program.start()
                return
            except (Unavailable, OSError, asyncpg.PostgresError):
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(0.2)

    def signal(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(number)

    def pause(self) -> None:
        self.signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.signal(signal.SIGCONT)

    async def kill(self) -> None:
        if self.process is not None:
            self.signal(signal.SIGKILL)
            await asyncio.wait_for(self.process.wait(), 20)

    def last_words(self) -> str:
        return f"{self.name} was ended by something else"


class Deployment:
    """environ: further settings. postgres: options of PostgreSQL. planners, senders: how many; senders make the attempts of deliveries."""

    def __init__(
        self,
        state: Path,
        *,
        apis: int = 1,
        sequencers: int = 1,
        planners: int = 0,
        senders: int = 0,
        environ: Mapping[str, str] = {},
        postgres: Mapping[str, str] = {},
    ) -> None:
        self.state = make_state(state)
        self.environ = environ
        self.postgres = Server(EmbeddedPostgres(self.state, KILLED_NOT_UNPLUGGED | dict(postgres)))
        # It may save when told to (a dump to restore), never by itself.
        self.valkey = Server(EmbeddedValkey(self.state, {"dbfilename": "dump.rdb"}))
        self.apis = [Api(self, f"api{number}") for number in range(1, apis + 1)]
        self.sequencers = [Part(self, f"sequencer{number}", ("worker", "sequencer")) for number in range(1, sequencers + 1)]
        self.projections = Part(self, "projections", ("worker", "projections"))
        self.planners = [Part(self, f"planner{number}", ("worker", "planner")) for number in range(1, planners + 1)]
        self.senders = [Part(self, f"sender{number}", ("worker", "deliveries")) for number in range(1, senders + 1)]

    @property
    def own(self) -> list[Part]:
        return [*self.apis, *self.sequencers, self.projections, *self.planners, *self.senders]

    @property
    def parts(self) -> list[Part | Server]:
        return [*self.own, self.postgres, self.valkey]

    def bases(self) -> list[str]:
        return [api.base for api in self.apis]

    @property
    def redis(self) -> Any:
        return open_redis(self.valkey.program.url)

    async def connect(self) -> Any:
        """A connection as the owner, whom row-level security does bind: a superuser here."""
        return await asyncpg.connect(self.postgres.program.url)

    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TIDINGS_")}
        own = {
            "TIDINGS_DATABASE_URL": self.postgres.program.url,
            "TIDINGS_REDIS_URL": self.valkey.program.url,
            "TIDINGS_STATE_DIR": str(self.state),
            "PYTHONUNBUFFERED": "1",
        }
        return inherited | own | dict(self.environ)

    async def __aenter__(self) -> "Deployment":
        self.http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        try:
            await asyncio.gather(self.postgres.start(), self.valkey.start())
            await self.command("migrate")
            await asyncio.gather(*(part.start() for part in self.own))
            await self.ready()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.close()
        await asyncio.gather(*(part.kill() for part in self.parts), return_exceptions=True)
        for server in (self.postgres, self.valkey):
            # One that never started has none.
            if (folder := getattr(server.program, "folder", None)) is not None:
                shutil.rmtree(folder, ignore_errors=True)

    async def ready(self, within: float = STARTS_WITHIN_S) -> None:
        await asyncio.gather(*(api.ready(within) for api in self.apis))

    async def heal(self) -> None:
        """Let go on whatever was stopped, start again whatever is not running, and wait until all is ready."""
        for part in self.parts:
            if part.is_running:
                part.signal(signal.SIGCONT)
        await asyncio.gather(*(part.start() for part in (self.postgres, self.valkey) if not part.is_running))
        await asyncio.gather(*(part.start() for part in self.own if not part.is_running))
        await self.ready()

    async def caught_up(self, within: float) -> None:
        """Wait until nothing is degraded and every shard's stream stands at the head of its log."""
        until = time.monotonic() + within
        while not await self.is_caught_up():
            assert time.monotonic() < until, f"not caught up within {within:g} s: {[await api.health() for api in self.apis]}"
            await asyncio.sleep(0.1)

    async def is_caught_up(self) -> bool:
        if any([(await api.health())["status"] != "ok" for api in self.apis]):
            return False
        redis, connection = self.redis, await self.connect()
        try:
            rows = await connection.fetch("SELECT shard, epoch, head FROM shards")
            return all([await last_position(redis, stream_key(epoch, shard)) >= head for shard, epoch, head in rows])
        finally:
            await connection.close()
            await redis.aclose()

    async def command(self, *arguments: str) -> str:
        """Run a command of the command line to its end. Answers what it printed."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tidings.cli", *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self.environment(),
        )
        out, err = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 0, (arguments, out, err)
        return out.decode()

    async def new_project(self, name: str = "faults") -> str:
        """Its API key."""
        key: str = json.loads(await self.command("projects", "create", name, "--json"))["api_key"]
        return key
