"""What the tests of backups stand on."""

import os
from pathlib import Path

import asyncpg
import msgspec
import psutil  # type: ignore[import-untyped]
from moto.server import ThreadedMotoServer
from running import Servers

from tidings.backups.doing import Doer
from tidings.backups.drafts import Place, place_of
from tidings.backups.manifest import Manifest, manifests, write_manifest
from tidings.backups.runs import Run, ask
from tidings.backups.runs import Task as Name
from tidings.deliveries.ledger.clock import time_of
from tidings.platform.postgres import Database
from tidings.settings import Settings

KEY = bytes(range(32))
PATIENCE_S = 0.3


class Bucket:
    """One on moto's server."""

    name = "tidings"

    def __init__(self, port: int) -> None:
        self.port = port
        self.endpoint = f"http://127.0.0.1:{port}"

    def start(self) -> None:
        """With what it held when it was stopped."""
        self.server = ThreadedMotoServer(ip_address="127.0.0.1", port=self.port, verbose=False)
        self.server.start()

    def stop(self) -> None:
        self.server.stop()

    def url(self, prefix: str) -> str:
        return f"s3://{self.name}/{prefix}?endpoint={self.endpoint}&region=us-east-1"


class Ground:
    def __init__(self, servers: Servers, url: str, database: Database) -> None:
        self.servers = servers
        self.url = url
        self.database = database

    async def forget_runs(self) -> None:
        await self.database.system.execute("DELETE FROM backup_runs")
        await self.database.system.execute("DELETE FROM backup_schedule")

    async def execute(self, sql: str) -> None:
        """As the owner."""
        connection = await asyncpg.connect(self.url)
        await connection.execute(sql)
        await connection.close()

    def settings(self, state_dir: Path, backup_url: str, **more: object) -> Settings:
        values = {"database_url": self.url, "redis_url": self.servers.redis_url, "state_dir": state_dir}
        return Settings(**(values | {"backup_url": backup_url, "backup_keys": (KEY,)} | more))  # type: ignore[arg-type]


class Backups:
    """A backups' worker in this process, that does what it is told."""

    def __init__(self, ground: Ground, settings: Settings, patience_s: float = PATIENCE_S) -> None:
        self.ground = ground
        self.settings = settings
        self.place: Place = place_of(settings)._replace(patience_s=patience_s)
        self.doer = Doer(settings, self.place, ground.database.system, f"tests:{os.getpid()}")

    async def run(self, task: Name, backup: str | None = None) -> Run:
        """As it ended."""
        async with self.ground.database.system.acquire() as connection:
            await ask(connection, task, "tests", await time_of(connection), backup)
        run = await self.doer.do_next()
        assert run is not None
        return run

    async def good(self, task: Name = "logical") -> Manifest:
        """Of a backup that was made."""
        run = await self.run(task)
        assert run.state == "done", run.reason
        return {manifest.id: manifest for manifest in await self.all()}[run.id]

    async def proven(self, manifest: Manifest) -> Manifest:
        """As if a restore had shown that it is good: then retention leaves it alone."""
        verified = msgspec.structs.replace(manifest, state="verified", verified_at=manifest.made_at)
        await write_manifest(self.place.store, self.place.keys, verified)
        return verified

    async def all(self) -> list[Manifest]:
        """In the order of time, which ids of one second are not in."""
        known = [manifest async for manifest in manifests(self.place.store, self.place.keys) if isinstance(manifest, Manifest)]
        return sorted(known, key=lambda manifest: manifest.made_at)

    async def everything_stored(self) -> list[str]:
        return sorted([stored.path async for stored in self.place.store.below("backups")])


async def is_gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


async def rows_of(url: str) -> dict[str, int]:
    """By table."""
    connection = await asyncpg.connect(url)
    try:
        names = await connection.fetch(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition"
        )
        return {row[0]: await connection.fetchval(f"SELECT count(*) FROM {row[0]}") for row in names}
    finally:
        await connection.close()
