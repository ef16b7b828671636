"""The backups' worker as a process: its schedule, its wake-ups, its sudden end."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import psutil  # type: ignore[import-untyped]
import pytest
from running import Part, until

from backups.ground import KEY, Ground, is_gone
from tidings.backups.drafts import place_of
from tidings.backups.manifest import manifests
from tidings.backups.queue import wake_workers
from tidings.backups.runs import Run, ask, list_runs
from tidings.cli.children import Own, to
from tidings.deliveries.ledger.clock import time_of
from tidings.errors import Misconfigured
from tidings.platform.embedded.memory import free_port


class Worker:
    """Of a state folder and a store of its own."""

    def __init__(self, ground: Ground, folder: Path, schedule: str) -> None:
        self.ground = ground
        self.log = folder / "backups.log"
        self.port = free_port()
        self.environment = {
            "TIDINGS_DATABASE_URL": ground.url,
            "TIDINGS_REDIS_URL": ground.servers.redis_url,
            "TIDINGS_STATE_DIR": str(folder / "state"),
            "TIDINGS_BACKUP_URL": f"file://{folder}/store",
            "TIDINGS_BACKUP_KEYS": base64.b64encode(KEY).decode(),
            "TIDINGS_BACKUP_SCHEDULE": schedule,
            "TIDINGS_METRICS_PORT": str(self.port),
        }
        self.place = place_of(ground.settings(folder / "state", f"file://{folder}/store"))
        self.part = self.another()

    def another(self) -> Part:
        write = to(self.log.open("ab", buffering=0))
        return Part(Own("backups", ("worker", "backups"), lambda: self.environment, 10, write))

    async def runs(self) -> list[Run]:
        async with self.ground.database.system.acquire() as connection:
            return await list_runs(connection, 100)

    async def ended(self, count: int) -> list[Run]:
        async def have_ended() -> list[Run]:
            runs = await self.runs()
            return runs if sum(run.state in ("done", "failed") for run in runs) >= count else []

        found: list[Run] = await until(have_ended, 60, f"{count} runs have ended")
        return found

    async def in_store(self) -> list[Any]:
        return [one async for one in manifests(self.place.store, self.place.keys)]


@pytest.fixture
async def worker(ground: Ground, database_url: str, tmp_path: Path) -> AsyncIterator[Worker]:
    worker = Worker(ground, tmp_path, "logical=1h")
    yield worker
    if worker.part.is_running:
        await worker.part.end()


@asynccontextmanager
async def table_held(ground: Ground) -> AsyncIterator[asyncpg.Connection]:
    """pg_dump waits for it."""
    connection = await asyncpg.connect(ground.url)
    async with connection.transaction():
        await connection.execute("LOCK TABLE projects IN ACCESS EXCLUSIVE MODE")
        yield connection
    await connection.close()


async def dumps_that_wait(worker: Worker, connection: asyncpg.Connection) -> list[psutil.Process]:
    """Those that run, once something waits for the table."""
    waits = await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'projects'::regclass")
    # The one that waits is pg_dump, or counts the rows beside it.
    return [child for child in psutil.Process(worker.part.pid).children() if waits and child.name() == "pg_dump"]


async def test_a_worker_does_what_is_due_and_what_it_is_woken_for(worker: Worker, ground: Ground) -> None:
    await worker.part.start()
    first, *rest = await worker.ended(1)
    assert (first.state, first.asked_by, rest) == ("done", "schedule", [])
    assert [manifest.id for manifest in await worker.in_store()] == [first.id]

    async with ground.database.system.acquire() as connection:
        asked = await ask(connection, "logical", "key_of_an_operator", await time_of(connection))
    await wake_workers(ground.servers.redis_url)
    # In no order: both may have been asked for within one second, which is all that an id tells.
    assert {run.id for run in await worker.ended(2)} == {first.id, asked.id}
    async with ground.database.system.acquire() as connection:
        await ask(connection, "verify", "key_of_an_operator", await time_of(connection))
    await wake_workers(ground.servers.redis_url)
    [proof] = [run for run in await worker.ended(3) if run.task == "verify"]
    assert proof.state == "done", proof.reason
    await until(lambda: tells(worker.port, 'tidings_backup_made_timestamp_seconds{kind="logical"}'), 20, "the figures are shown")


async def tells(port: int, metric: str) -> bool:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return metric in answer.decode()


async def test_a_worker_killed_in_the_middle_leaves_nothing_and_its_backup_is_made_again(worker: Worker, ground: Ground) -> None:
    async with table_held(ground) as connection:
        await worker.part.start()
        (dump,) = await until(lambda: dumps_that_wait(worker, connection), 30, "pg_dump waits")
        (killed,) = await worker.runs()
        assert killed.state == "running"
        await worker.part.kill()
        await until(lambda: is_gone(dump), 10, "pg_dump ended with its worker")
    assert [path.name for path in worker.place.spool.iterdir()] == [killed.id]
    await worker.place.store.put(f"backups/{killed.id}/dump/000001", b"what had been uploaded")

    await ground.database.system.execute("UPDATE backup_runs SET lease_until = now() WHERE state = 'running'")
    worker.part = worker.another()
    await worker.part.start()
    (lost,) = [run for run in await worker.ended(1) if run.state == "failed"]
    assert (lost.id, lost.failure) == (killed.id, "lost")
    await ground.database.system.execute("UPDATE backup_runs SET asked_at = now() WHERE state = 'waiting'")
    await wake_workers(ground.servers.redis_url)
    again = next(run for run in await worker.ended(2) if run.state == "done")
    assert again.asked_by == "again"
    assert [manifest.id for manifest in await worker.in_store()] == [again.id]
    assert await worker.place.store.folders("backups") == [again.id] and list(worker.place.spool.iterdir()) == []


async def test_a_worker_told_to_stop_hands_its_backup_to_the_next(worker: Worker, ground: Ground) -> None:
    async with table_held(ground) as connection:
        await worker.part.start()
        (dump,) = await until(lambda: dumps_that_wait(worker, connection), 30, "pg_dump waits")
        assert await worker.part.end() == 0
        (put_back,) = await worker.runs()
        assert put_back.state == "waiting" and await is_gone(dump)
    worker.part = worker.another()
    await worker.part.start()
    (done,) = await worker.ended(1)
    assert (done.id, done.state) == (put_back.id, "done")


def test_without_a_key_there_are_no_backups(ground: Ground, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="TIDINGS_BACKUP_KEYS_FILE"):
        place_of(ground.settings(tmp_path, f"file://{tmp_path}/store", backup_keys=()))
