"""The write-ahead log on its way into the store, while it is written: what a loss of the server loses is what this is behind.

pg_receivewal writes what the server sends into a folder of this machine; every two seconds what is new of it is sealed and put into the
store: segments that are whole, once, and the one that grows. A new session begins where the store ends (`slot.py`), with an empty folder.
"""

import asyncio
import shutil
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path

import asyncpg
import msgspec
from loguru import logger

from tidings.backups.archive import Archive, Covered, refuse_beside_another
from tidings.backups.drafts import Place
from tidings.backups.errors import BackupFailed, DiskFull, ProgramFailed
from tidings.backups.programs import end_process, last_words, login, program
from tidings.backups.segments import HISTORY, PARTIAL, SEGMENT, position_of, segment_at
from tidings.backups.slot import STREAMING_LOCK, Server, Slot, drop_slot, ensure_slot, look_at_server, move_on
from tidings.platform.ids import random_id
from tidings.platform.lifeline import signalled_with_parent
from tidings.platform.metrics import BACKUP_FAILURES, BACKUP_WAL_LAG
from tidings.platform.postgres import POSTGRES_AWAY, Connection
from tidings.settings import Settings

FOLDER = "wal"
EVERY_S = 2.0
# So often it is told that all is there, though nothing was written: a restore to a time needs to know that nothing happened until then.
TOLD_EVERY_S = 20.0
RECEIVED_WITHIN_S = 30.0
LOOK_S = 0.05
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
# A worker whose machine is gone keeps its lock until the server misses it.
SESSION = {"application_name": "tidings backup", "tcp_keepalives_idle": "5", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3"}
UNBOUNDED, GONE = "-1", "has already been removed"
NOW = "SELECT pg_current_wal_flush_lsn()::text AS position, clock_timestamp() AS at"
RECEIVED = "SELECT coalesce(bool_or(write_lsn >= $2::text::pg_lsn), false) FROM pg_stat_replication WHERE application_name = $1"

# Told when the WAL begins anew: what is in the store reaches no further, and a base backup is due.
OnNew = Callable[[], Awaitable[None]]


def replication_url(settings: Settings) -> str:
    """Of the login that may stream."""
    url = settings.backup_database_url or settings.database_url
    assert url is not None
    return url


async def stream_wal(settings: Settings, place: Place, on_new: OnNew) -> None:
    """Runs until cancelled. A failure is told, and tried again; of several workers one streams."""
    pause_s, troubled = FIRST_PAUSE_S, False
    lag, asked = Lag(), set[str]()
    while True:
        try:
            async with session(settings, place, on_new, lag, asked) as stream:
                lag.follow(stream)
                async for _ in stream.steps():
                    if troubled:
                        logger.info(
                            "The WAL is streamed again; the store has it up to {}.", stream.covered.position if stream.covered else ""
                        )
                    pause_s, troubled = FIRST_PAUSE_S, False
        except (BackupFailed, *POSTGRES_AWAY) as error:
            if not troubled:
                logger.error("The WAL is not streamed, and it is tried again: {}", error or type(error).__name__)
            BACKUP_FAILURES.labels("physical", "stream").inc()
            troubled = True
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


class Lag:
    """The gauge: it grows from the start, while nothing is streamed, whatever the reason. since: None as long as another worker streams."""

    def __init__(self) -> None:
        self.stream: Stream | None = None
        self.since: float | None = time.time()
        BACKUP_WAL_LAG.set_function(self.seconds)

    def take(self) -> None:
        """Nobody else streams: what is not streamed from now on is ours to tell."""
        if self.since is None:
            self.since = time.time()

    def follow(self, stream: "Stream") -> None:
        self.stream = stream

    def leave_to_another(self) -> None:
        """Who streams tells."""
        self.stream = self.since = None

    def seconds(self) -> float:
        if self.stream is not None and self.stream.looked_at is not None:
            self.since = self.stream.looked_at
        return 0.0 if self.since is None else max(0.0, time.time() - self.since)


@asynccontextmanager
async def session(settings: Settings, place: Place, on_new: OnNew, lag: Lag, asked: set[str]) -> AsyncIterator["Stream"]:
    """Begins when no other worker streams. asked: where slots began for which a base backup was asked for. Raises BackupFailed."""
    connection = await asyncpg.connect(replication_url(settings), timeout=10, command_timeout=30, server_settings=SESSION)
    try:
        while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", STREAMING_LOCK):
            lag.leave_to_another()
            await asyncio.sleep(EVERY_S)
        lag.take()
        server = await look_at_server(connection)
        await refuse_beside_another(place, server.server, server.timeline)
        slot, archive = await ensure_slot(connection), Archive(place, server.server, server.segment_bytes)
        if server.keeps == UNBOUNDED:
            logger.warning("max_slot_wal_keep_size is not set: should no worker stream, the WAL it kept would fill the server's disk.")
        # Once of one that is not new too: whoever made it may have been killed before the base backup was asked for.
        if slot.is_new or (slot.restart not in asked and not goes_on(await archive.covered(), server, slot)):
            logger.warning("The WAL is streamed from {} on; what was streamed before ends there. A base backup is due.", slot.restart)
            await on_new()
            asked.add(slot.restart)
        folder = place.spool.parent / FOLDER
        await asyncio.to_thread(begin_folder, folder, segment_at(server.timeline, position_of(slot.restart), server.segment_bytes), server)
        async with receiving(settings, folder, connection.get_server_version().major) as receiver:
            yield Stream(archive, connection, receiver, folder, server.timeline)
    finally:
        connection.terminate()


def goes_on(covered: Covered | None, server: Server, slot: Slot) -> bool:
    """Whether what the slot keeps follows what is in the store."""
    return covered is not None and covered.timeline == server.timeline and position_of(slot.restart) <= position_of(covered.position)


def begin_folder(folder: Path, first: str, server: Server) -> None:
    """Empty but for what tells pg_receivewal where to begin: it takes up the newest segment that it finds partial."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    with (folder / f"{first}{PARTIAL}").open("wb") as file:
        file.truncate(server.segment_bytes)


class Receiver(msgspec.Struct):
    """name: as the server shows it."""

    process: asyncio.subprocess.Process
    name: str
    saying: asyncio.Task[str]


@asynccontextmanager
async def receiving(settings: Settings, folder: Path, major: int) -> AsyncIterator[Receiver]:
    url, environment = login(replication_url(settings))
    name = random_id("tidings_wal")
    process = await asyncio.create_subprocess_exec(
        *(str(await program(settings, "pg_receivewal", major)), "--dbname", url, "--directory", str(folder), "--no-loop", "--no-password"),
        # Not made durable here, where nothing is kept: the store does that.
        *("--no-sync", "--status-interval", "1"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=environment | {"PGAPPNAME": name},
        # Without us it would go on writing into the folder that the next one begins with.
        preexec_fn=signalled_with_parent(signal.SIGKILL),
    )
    saying = asyncio.create_task(last_words(process))
    try:
        yield Receiver(process, name, saying)
    finally:
        await end_process(process)
        saying.cancel()


class Stream:
    """One session. covered: what was told last.   looked_at: the time (of this machine) up to which all is in the store."""

    def __init__(self, archive: Archive, connection: Connection, receiver: Receiver, folder: Path, timeline: int) -> None:
        self.archive = archive
        self.connection = connection
        self.receiver = receiver
        self.folder = folder
        self.timeline = timeline
        self.covered: Covered | None = None
        self.looked_at: float | None = None
        self.partial = b""

    async def steps(self) -> AsyncIterator[None]:
        """For ever. Raises BackupFailed, or what POSTGRES_AWAY names."""
        while True:
            await self.step()
            yield
            await asyncio.sleep(EVERY_S)

    async def step(self) -> None:
        """Bring into the store what the server had made durable when this began."""
        looked_at = time.time()
        now = await self.connection.fetchrow(NOW)
        if self.covered is None or now["position"] != self.covered.position:
            await self.until_received(now["position"])
            await self.send()
            await self.tell(now["position"], now["at"])
            await move_on(self.connection, now["position"])
        elif (now["at"] - self.covered.at).total_seconds() > TOLD_EVERY_S:
            await self.tell(now["position"], now["at"])
        self.looked_at = looked_at

    async def until_received(self, position: str) -> None:
        """It tells the server each second how far it has written."""
        end = asyncio.get_running_loop().time() + RECEIVED_WITHIN_S
        while not await self.connection.fetchval(RECEIVED, self.receiver.name, position):
            if self.receiver.process.returncode is not None:
                raise await self.ended()
            if asyncio.get_running_loop().time() > end:
                raise ProgramFailed(f"pg_receivewal has not received {position} within {RECEIVED_WITHIN_S:.0f} s.")
            await asyncio.sleep(LOOK_S)

    async def ended(self) -> BackupFailed:
        said = await self.receiver.saying
        if GONE in said:
            await drop_slot(self.connection)
        kind = DiskFull if "No space left" in said else ProgramFailed
        return kind(f"pg_receivewal ended: {said}")

    async def send(self) -> None:
        """The one that grows is looked at first: when it is whole by the time the others are sent, it is among them."""
        growing, content = await asyncio.to_thread(self.read_growing)
        for path in sorted(self.folder.iterdir()):
            if SEGMENT.fullmatch(path.name):
                await self.archive.put(path.name, await asyncio.to_thread(path.read_bytes))
                await self.archive.forget([path.name + PARTIAL])
                path.unlink()
                growing = None if growing == path.name + PARTIAL else growing
            elif HISTORY.fullmatch(path.name):
                await self.archive.put(path.name, path.read_bytes())
        if growing is not None and content != self.partial:
            await self.archive.put(growing, content)
            self.partial = content

    def read_growing(self) -> tuple[str | None, bytes]:
        for path in self.folder.glob(f"*{PARTIAL}"):
            with suppress(FileNotFoundError):
                return path.name, path.read_bytes().rstrip(b"\0")
        return None, b""

    async def tell(self, position: str, at: datetime) -> None:
        covered = Covered(self.timeline, position, at)
        await self.archive.cover(covered)
        self.covered = covered
