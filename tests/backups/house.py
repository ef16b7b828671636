"""A deployment of its own, whose cluster can be copied, streamed, killed and restored without anybody else's data in it."""

import asyncio
import base64
import contextlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import msgspec
import pytest
from running import SECRET, Part, Running, end_somehow, running, start_servers, until

from tidings.backups.archive import Archive, Covered
from tidings.backups.doing import Doer
from tidings.backups.drafts import Place, place_of
from tidings.backups.journal import Journal
from tidings.backups.manifest import Manifest, manifests
from tidings.backups.recovery import THE_END, Moment
from tidings.backups.restore import Restored, restore_into_folder
from tidings.backups.runs import Run, ask
from tidings.backups.runs import Task as Name
from tidings.backups.streaming import stream_wal
from tidings.deliveries.ledger.clock import time_of
from tidings.events.cursor import new_epoch
from tidings.platform.embedded.postgres import WITHOUT_DURABILITY, EmbeddedPostgres
from tidings.platform.ending import end_tasks
from tidings.platform.migrate import migrate
from tidings.settings import Settings

SHARDS = 4
KEY = bytes(range(32))
is_long = pytest.mark.skipif("DRILLS" not in os.environ, reason="takes long; DRILLS=1 runs it")


@dataclass
class House:
    """tidings: its processes.   tmp: a folder that the servers' user may pass through."""

    tidings: Running
    settings: Settings
    tmp: Path
    wants_base: list[bool] = field(default_factory=list)

    @property
    def place(self) -> Place:
        return place_of(self.settings)._replace(patience_s=0.3)

    @property
    def environment(self) -> dict[str, str]:
        """For commands that know the store and the keys, and no database."""
        keys = base64.b64encode(KEY).decode()
        named = {"BACKUP_URL": self.settings.backup_url or "", "BACKUP_KEYS": keys, "SECRET_KEY": SECRET, "SHARDS": str(SHARDS)}
        return {f"TIDINGS_{name}": value for name, value in (named | {"STATE_DIR": str(self.settings.state_dir)}).items()}

    async def run(self, task: Name, backup: str | None = None) -> Run:
        """As it ended."""
        pool = self.tidings.database.system
        async with pool.acquire() as connection:
            run = await ask(connection, task, "tests", await time_of(connection), backup)
        done = await Doer(self.settings, self.place, pool, "tests").do_next(run.id)
        assert done is not None
        return done

    async def base(self) -> Manifest:
        run = await self.run("physical")
        assert run.state == "done", run.reason
        return await self.manifest(run.id)

    async def manifest(self, backup: str) -> Manifest:
        async for one in manifests(self.place.store, self.place.keys):
            if isinstance(one, Manifest) and one.id == backup:
                return one
        raise AssertionError(backup)

    @asynccontextmanager
    async def streaming(self) -> AsyncIterator[None]:
        """The WAL goes into the store meanwhile."""

        async def on_new() -> None:
            self.wants_base.append(True)

        task = asyncio.create_task(stream_wal(self.settings, self.place, on_new))
        try:
            yield
        finally:
            await end_tasks([task])

    async def archive(self) -> Archive:
        row = await self.fetchrow("SELECT system_identifier::text FROM pg_control_system()")
        return Archive(self.place, row[0], 16 * 1024 * 1024)

    async def covered(self, position: str | None = None) -> Covered:
        """Once the store has what is in the log by now, or up to a position."""
        wanted = position or (await self.fetchrow("SELECT pg_current_wal_flush_lsn()::text"))[0]
        archive = await self.archive()

        async def is_there() -> Covered | None:
            covered = await archive.covered()
            return covered if covered and at(covered.position) >= at(wanted) else None

        covered: Covered = await until(is_there, 30, f"the WAL up to {wanted} is in the store")
        return covered

    async def journal(self) -> None:
        """Written up to now."""
        journal = Journal(self.place, self.tidings.database.system)
        while await journal.advance():
            pass

    async def execute(self, sql: str) -> None:
        async with connected(self.tidings.servers.database_url) as connection:
            await connection.execute(sql)

    async def fetchrow(self, sql: str) -> Any:
        async with connected(self.tidings.servers.database_url) as connection:
            return await connection.fetchrow(sql)

    def folder(self) -> Path:
        """A new one, not there yet."""
        return self.tmp / uuid4().hex[:8]

    async def restore(self, manifest: Manifest, moment: Moment = THE_END, into: Path | None = None) -> Restored:
        return await restore_into_folder(self.settings, self.place, manifest, moment, into or self.folder(), lambda *_: None)

    def new_store(self) -> "House":
        """As it is, with an empty store."""
        return replace(self, settings=msgspec.structs.replace(self.settings, backup_url=f"file://{self.folder()}"), wants_base=[])

    @asynccontextmanager
    async def other_store(self) -> AsyncIterator["House"]:
        """As it is, with a copy of the store that a test may damage."""
        copy = self.folder()
        shutil.copytree(self.tmp / "store", copy)
        yield replace(self, settings=msgspec.structs.replace(self.settings, backup_url=f"file://{copy}"))
        shutil.rmtree(copy)

    @property
    def store(self) -> Path:
        folder = self.place.store.folder
        assert folder is not None
        return folder


@asynccontextmanager
async def opened(restored: Restored) -> AsyncIterator[Part]:
    """What was restored into a folder, under a server of its own."""
    assert restored.state is not None
    part = Part(EmbeddedPostgres(Path(restored.state), WITHOUT_DURABILITY))
    await part.start()
    try:
        yield part
    finally:
        await end_somehow(part)


def url_of(part: Part) -> str:
    assert isinstance(part.program, EmbeddedPostgres)
    return part.program.url


def at(position: str) -> int:
    high, low = position.split("/")
    return (int(high, 16) << 32) + int(low, 16)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def house() -> AsyncIterator[House]:
    tmp = Path(tempfile.mkdtemp(prefix="tidings-house-"))
    tmp.chmod(0o711)
    state = tmp / "state"
    state.mkdir(mode=0o711)
    servers = await start_servers(state)
    try:
        await migrate(servers.database_url, SHARDS, new_epoch)
        async with connected(servers.database_url) as connection:
            # What tests put beside Tidings' own tables is read by backups too.
            await connection.execute("ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO tidings_backup")
        async with running(servers, servers.database_url, TIDINGS_SHARDS=str(SHARDS)) as tidings:
            settings = msgspec.structs.replace(
                tidings.settings, shards=SHARDS, backup_url=f"file://{tmp}/store", backup_keys=(KEY,), secret_key=SECRET
            )
            yield House(tidings, settings, tmp)
    finally:
        for part in (servers.postgres, servers.valkey):
            with contextlib.suppress(ProcessLookupError):
                await end_somehow(part)
        shutil.rmtree(tmp, ignore_errors=True)
