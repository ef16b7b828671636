"""A cluster in a data folder, started while it is restored or tried: nobody reaches it but through a socket in a folder of its own.

Of its own configuration only what ALTER SYSTEM wrote is read, which lies in the data folder. It may name what is not here, or send its WAL
to where that of the living one goes: whatever matters is said again (`OPTIONS`).
"""

import asyncio
import os
import re
import secrets
import shutil
import signal
import tempfile
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import asyncpg

from tidings.backups.errors import BackupFailed, DiskFull, Missing, ProgramFailed
from tidings.backups.programs import major_of, places
from tidings.backups.unpacking import give_to_runner
from tidings.platform.embedded.place import as_runner, runner
from tidings.platform.embedded.postgres import INITDB, LOGIN, run
from tidings.platform.lifeline import signalled_with_parent
from tidings.platform.postgres import CONNECTION_LOST
from tidings.settings import Settings

OPTIONS = {
    "listen_addresses": "",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "jit": "off",
    # What recovery asks for is that everything is on the disk in the end: one call, and not one for each file (3 s for 50 MB).
    "recovery_init_sync_method": "syncfs",
    # A standby would insist on the settings of its primary.
    "hot_standby": "off",
    "log_min_messages": "log",
    # Whatever ALTER SYSTEM set there.
    "archive_mode": "off",
    "shared_preload_libraries": "",
    "session_preload_libraries": "",
    "huge_pages": "off",
    # The log is read here.
    "logging_collector": "off",
    "log_destination": "stderr",
    "lc_messages": "C",
    "recovery_target_inclusive": "on",
    "recovery_min_apply_delay": "0",
    "recovery_end_command": "",
    "archive_cleanup_command": "",
    "ssl": "off",
    "primary_conninfo": "",
    "primary_slot_name": "",
    "synchronous_standby_names": "",
    "max_prepared_transactions": "100",
    "wal_level": "replica",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
# Of a copy that is thrown away.
WITHOUT_DURABILITY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
KNOWS_BUILTIN_LOCALES = 17
LOOK_S = 0.05
STOPS_WITHIN_S = 60.0
RESTORED = re.compile(r'restored log file "([0-9A-F]+)')
# What goes into the log of every run, and tells nothing of its end.
FATAL = re.compile(r"(?:FATAL|PANIC):  (?!the database system)(.*)")


class Cluster:
    """A running one. data: its folder.   socket: the folder of its socket."""

    def __init__(self, data: Path, socket: Path, process: Process, bin_folder: Path) -> None:
        self.data = data
        self.socket = socket
        self.process = process
        self.bin = bin_folder

    def url(self, login: str, database: str) -> str:
        return f"postgresql://{quote(login, safe='')}@/{quote(database, safe='')}?host={quote(str(self.socket))}"

    @property
    def log(self) -> Path:
        return self.socket / "log"

    def segments_restored(self) -> int:
        return len(RESTORED.findall(self.log.read_text(errors="replace")))

    async def until_open(self, login: str, tell: Callable[[int], None]) -> None:
        """Wait until it takes connections, however long recovery takes. Raises what it died of. tell: told segments restored so far."""
        while True:
            if self.process.returncode is not None:
                raise failure(self.log.read_text(errors="replace"))
            tell(self.segments_restored())
            with suppress(asyncpg.CannotConnectNowError, *CONNECTION_LOST):
                connection = await asyncpg.connect(self.url(login, "postgres"), timeout=10)
                connection.terminate()
                return
            await asyncio.sleep(LOOK_S)


class RecoveryEnded(BackupFailed):
    """The log ended before the moment that was asked for."""

    kind = "missing"


def failure(log: str) -> BackupFailed:
    """What a server died of, from its log."""
    said = [*FATAL.findall(log), "it said nothing"][0]
    if "before configured recovery target was reached" in said:
        return RecoveryEnded("The WAL ends before the moment that was asked for.")
    if "before consistent recovery point" in said:
        return Missing("The base backup ends after the moment that was asked for; choose an earlier one.")
    if "No space left" in log:
        return DiskFull(f"There is no room for what is restored: {said}")
    return ProgramFailed(f"PostgreSQL could not open what was restored: {said}")


async def server_programs(settings: Settings, major: int, *, or_later: bool) -> Path:
    """The folder of a server's programs. or_later: a data folder is opened by its own version alone. Raises ProgramFailed."""
    for path in places(settings, "postgres"):
        found = await major_of(path)
        if found is not None and (found == major or (or_later and found > major)):
            return path.parent
    raise ProgramFailed(
        f"The backup is of a PostgreSQL {major}, and there is no server of that version here. Say where one is: TIDINGS_BACKUP_PROGRAMS."
    )


async def make_cluster(programs: Path, data: Path) -> None:
    """A new one, as the embedded server's are, as far as its version knows how."""
    major = await major_of(programs / "initdb") or 0
    arguments = INITDB if major >= KNOWS_BUILTIN_LOCALES else ("-U", LOGIN, "-A", "scram-sha-256", "-E", "UTF8", "--locale=C")
    password = data.with_name("password")
    password.write_text(secrets.token_hex(24))
    give_to_runner(password)
    try:
        await run(str(programs / "initdb"), "-D", str(data), f"--pwfile={password}", "--no-sync", *arguments)
    finally:
        password.unlink()


@asynccontextmanager
async def started(programs: Path, data: Path, options: Mapping[str, str]) -> AsyncIterator[Cluster]:
    """Its process, not yet open. Ended in order, also when the body raises."""
    socket = Path(tempfile.mkdtemp(prefix="tidings-"))
    try:
        prepare_socket(socket)
        process = await spawn(programs, data, socket, OPTIONS | dict(options))
        try:
            yield Cluster(data, socket, process, programs)
        finally:
            await stop(process)
    finally:
        shutil.rmtree(socket, ignore_errors=True)


def prepare_socket(folder: Path) -> None:
    """Whoever may enter the folder may enter the cluster."""
    (folder / "hba").write_text("local all all trust\n")
    (folder / "configuration").write_text("")
    (folder / "log").touch()
    user = runner()
    if user is not None:
        for path in (folder, *folder.iterdir()):
            os.chown(path, user.pw_uid, user.pw_gid)


async def spawn(programs: Path, data: Path, socket: Path, options: Mapping[str, str]) -> Process:
    files = {"config_file": "configuration", "hba_file": "hba", "ident_file": "configuration"}
    every = {name: str(socket / file) for name, file in files.items()} | {"unix_socket_directories": str(socket)} | dict(options)
    with (socket / "log").open("ab") as log:
        return await asyncio.create_subprocess_exec(
            *(str(programs / "postgres"), "-D", str(data)),
            *(part for name, value in every.items() for part in ("-c", f"{name}={value}")),
            stdin=DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C"},
            start_new_session=True,
            **as_runner(signalled_with_parent(signal.SIGINT)),
        )


async def stop(process: Process) -> None:
    """In order, so that what it holds is on the disk."""
    if process.returncode is None:
        process.send_signal(signal.SIGINT)
        try:
            async with asyncio.timeout(STOPS_WITHIN_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
