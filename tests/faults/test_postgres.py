"""PostgreSQL in trouble: away, out of disk, out of connections, locked; and clocks that step. Errors are clear, nothing is lost, and it
ends by itself."""

import asyncio
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from faults.deployment import Api, Deployment
from faults.history import summary
from faults.listener import until
from faults.load import Load

RATE = 60.0
MIB = 1024 * 1024
DISK = 220 * MIB
LIBFAKETIME = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))), None)


@asynccontextmanager
async def under_load(deployment: Deployment, api_key: str, seed: int, listeners: int = 8) -> AsyncIterator[Load]:
    """Publishing goes on in the body, and recovers after it: nothing lost, and no answer that was not a clear one."""
    async with Load(deployment.bases, api_key, seed=seed, listeners=listeners, publishers=12, rate=RATE) as load:
        load.publish()
        await until(lambda: load.history.count("accepted") > RATE, 10, "a second of publishes")
        pids = [part.pid for part in deployment.own]
        yield load
        accepted = load.history.count("accepted")
        await until(lambda: load.history.count("accepted") > accepted + RATE, 20, "publishes after it")
        await load.stop_publishing()
        await load.caught_up(20)
        faults = load.history.faults()
        assert not faults, (seed, summary(faults), faults[:10])
        assert load.surprises == []
        assert set(load.statuses) <= {202, 409, 503}, load.told()
        assert await load.inbox_faults() == []
        assert [part.pid for part in deployment.own if part.is_running] == pids, "a process ended"


async def refused(deployment: Deployment, api_key: str, within: float = 20) -> dict[str, Any]:
    """The problem that a publish meets, once it does: 503, with the time to come back."""
    end = time.monotonic() + within
    while True:
        headers = {"Authorization": f"Bearer {api_key}"}
        body = {"to": ["somebody"], "title": "x" * 200, "body": "x" * 4000}
        async with deployment.http.post(f"{deployment.bases()[0]}/v1/notifications", json=body, headers=headers) as response:
            problem: dict[str, Any] = await response.json(content_type=None)
            if response.status != 202:
                assert (response.status, response.content_type) == (503, "application/problem+json"), problem
                assert int(response.headers["Retry-After"]) > 0
                assert "PostgreSQL" in problem["detail"]
                return problem
        assert time.monotonic() < end, "publishing was never refused"
        await asyncio.sleep(0.02)


async def test_away(deployment: Deployment, api_key: str, seed: int) -> None:
    async with under_load(deployment, api_key, seed) as load:
        lines = [len(part.lines()) for part in deployment.own]
        began = time.monotonic()
        await deployment.postgres.kill()
        await refused(deployment, api_key)
        statuses = [await api.status() for api in deployment.apis], [await api.status("/health/live") for api in deployment.apis]
        assert statuses == ([503, 503], [200, 200])
        # Streams stay open: nobody is sent away for it.
        connections = sum(client.connections for client in load.history.clients)
        await until(lambda: time.monotonic() - began > 5, 6)
        assert sum(client.connections for client in load.history.clients) == connections
        await deployment.postgres.start()
        await deployment.caught_up(10)
        for part, before in zip(deployment.own, lines, strict=True):
            assert len(part.lines()) - before <= 16, "\n".join(part.lines()[before:])


async def test_connections_exhausted_from_outside(deployment: Deployment, api_key: str, seed: int) -> None:
    """Every connection that PostgreSQL gives is taken, and Tidings' own are ended: it has none and gets none."""
    async with under_load(deployment, api_key, seed):
        held: list[Any] = []
        try:
            # Ours stand still meanwhile, or they would be quicker.
            for part in deployment.own:
                part.pause()
            await take_all(deployment, held)
            for part in deployment.own:
                part.go_on()
            await refused(deployment, api_key)
            assert [await api.status() for api in deployment.apis] == [503, 503]
        finally:
            await asyncio.gather(*(connection.close() for connection in held))
        await deployment.caught_up(10)


OTHERS = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> ALL($1::int[])"


async def take_all(deployment: Deployment, held: list[Any]) -> None:
    """Every connection that PostgreSQL gives; those of others are ended, also those that are just being made."""
    end = time.monotonic() + 20
    held.append(await deployment.connect())
    while time.monotonic() < end:
        own = [connection.get_server_pid() for connection in held]
        others = await held[0].fetch(f"SELECT pg_terminate_backend(pid) FROM ({OTHERS}) AS others", own)
        try:
            held.append(await deployment.connect())
        except asyncpg.TooManyConnectionsError:
            if not others:
                return
            await asyncio.sleep(0.05)
    raise AssertionError("PostgreSQL always has one more connection")


async def test_a_lock_that_takes_every_connection_of_the_pool(deployment: Deployment, api_key: str, seed: int) -> None:
    async with under_load(deployment, api_key, seed) as load:
        connection, other = await deployment.connect(), await deployment.connect()
        async with connection.transaction():
            await connection.execute("LOCK TABLE notifications, inbox IN ACCESS EXCLUSIVE MODE")
            token = await load.listeners[0].token.get()
            headers = {"Authorization": f"Bearer {token}"}
            reads = [asyncio.create_task(read_inbox(deployment, headers)) for _ in range(100)]
            await until_waiting(other, 10)
            # Whoever asks whether it lives gets an answer.
            assert [await api.status("/health/live") for api in deployment.apis] == [200, 200]
        assert set(await asyncio.gather(*reads)) <= {200, 503}
        await connection.close()
        await other.close()


async def until_waiting(connection: Any, count: int) -> None:
    end = time.monotonic() + 10
    while await connection.fetchval("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") < count:
        assert time.monotonic() < end
        await asyncio.sleep(0.05)


async def read_inbox(deployment: Deployment, headers: dict[str, str]) -> int:
    async with deployment.http.get(f"{deployment.bases()[0]}/v1/inbox", headers=headers) as response:
        return response.status


# A disk that is full


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A state folder whose PostgreSQL has a disk of its own, so small that it can be filled."""
    if os.geteuid() != 0:
        pytest.skip("a small disk is a mount, and mounts are root's")
    state = Path(tempfile.mkdtemp(prefix="tidings-full-"))
    state.chmod(0o711)
    disk = state / "postgres"
    disk.mkdir(mode=0o700)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=0700", "tmpfs", str(disk)], capture_output=True, check=False)
    if mounted.returncode != 0:
        shutil.rmtree(state)
        pytest.skip(f"this container may not mount a small disk: {mounted.stderr.decode().strip()}")
    yield state
    subprocess.run(["umount", "-l", str(disk)], check=False)
    shutil.rmtree(state, ignore_errors=True)


def fill(disk: Path, leave: int) -> Path:
    filler = disk / "filler"
    room = os.statvfs(disk)
    left = room.f_bavail * room.f_frsize - leave
    # PostgreSQL writes too, so it may be full before.
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while left > 0:
            left -= file.write(b"\0" * min(MIB, left))
    return filler


async def test_disk_full(small_disk: Path, seed: int) -> None:
    options = {"max_wal_size": "48MB", "min_wal_size": "32MB", "shared_buffers": "16MB"}
    async with Deployment(small_disk, postgres=options) as deployment:
        api_key = await deployment.new_project()
        async with under_load(deployment, api_key, seed):
            lines, began = [len(part.lines()) for part in deployment.own], time.monotonic()
            filler = fill(small_disk / "postgres", leave=256 * 1024)
            try:
                await refused(deployment, api_key, within=60)
                await asyncio.sleep(6)  # and goes on being full for a while
            finally:
                filler.unlink()
            # It may have ended itself, when not even its own log could be written; whoever runs it starts it again.
            if not deployment.postgres.is_running:
                await deployment.postgres.start()
            await deployment.ready()
            for part, before in zip(deployment.own, lines, strict=True):
                new = part.lines()[before:]
                assert len(new) <= max(16, time.monotonic() - began), "\n".join(new)


# Clocks that step


class Clock:
    """The clock of one API process, in a file that libfaketime reads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.set("+0")

    def set(self, offset: str) -> None:
        half = self.path.with_suffix(".half")
        half.write_text(offset + "\n")
        half.rename(self.path)

    @property
    def wrapper(self) -> tuple[str, ...]:
        variables = {
            "LD_PRELOAD": str(LIBFAKETIME),
            "FAKETIME_TIMESTAMP_FILE": str(self.path),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        return ("env", *(f"{name}={value}" for name, value in variables.items()))


@pytest.mark.skipif(LIBFAKETIME is None, reason="libfaketime (Debian's package faketime) is not installed")
async def test_the_clock_of_an_api_process_steps(tmp_path: Path, seed: int) -> None:
    """An hour ahead, two back: tokens end or are not yet valid and say so; order, ids and streams hold."""
    deployment = Deployment(tmp_path / "state")
    clock = Clock(tmp_path / "clock")
    deployment.apis = [Api(deployment, "api1", clock.wrapper)]
    async with deployment:
        api_key = await deployment.new_project()
        async with under_load(deployment, api_key, seed) as load:
            for offset in ("+3600", "-3600", "+0"):
                clock.set(offset)
                connections = [client.connections for client in load.history.clients]
                before = load.history.count("accepted")
                await until(lambda before=before: load.history.count("accepted") > before + RATE, 20, "publishes go on")  # type: ignore[misc]
                if offset == "+3600":
                    # Their tokens have expired by this clock: they end, are told why, and come back with new ones.
                    await until(back_again(load, connections), 20, "everybody back")
                else:
                    for listener in load.listeners:
                        listener.drop()
                    await until(back_again(load, connections), 20, "everybody back")
            reasons = {
                refusal.split('"reason":"')[1].split('"')[0]
                for listener in load.listeners
                for refusal in listener.refusals
                if '"reason"' in refusal
            }
            assert reasons <= {"expired", "not_yet_valid"}, reasons
            assert all(refusal.startswith("401") for listener in load.listeners for refusal in listener.refusals)


def back_again(load: Load, connections: list[int]) -> Callable[[], bool]:
    def is_back() -> bool:
        return all(client.connections > before for client, before in zip(load.history.clients, connections, strict=True)) and all(
            listener.ready.is_set() for listener in load.listeners
        )

    return is_back
