"""Losses rehearsed in full, with figures: PostgreSQL's primary, Redis, a region with a gigabyte in it. DRILLS=1 runs the long ones.

What they measured goes to standard output (`pytest -s`), and from there into docs/disaster-recovery.md.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp
import asyncpg
import msgspec
from running import Part, Project, Servers, end_somehow, running, until

from backups.ground import Bucket
from backups.house import SHARDS, House, connected, is_long
from tidings.backups.cluster import Cluster, server_programs, started
from tidings.backups.recovery import THE_END, Recovery
from tidings.backups.unpacking import give_to_runner, make_folder
from tidings.events.lease import take_lease
from tidings.platform.embedded.memory import free_port, recall
from tidings.platform.embedded.postgres import WITHOUT_DURABILITY, EmbeddedPostgres
from tidings.platform.embedded.valkey import program

PUBLISHED_EVERY_S = 0.02


def tell(name: str, **figures: object) -> None:
    print(json.dumps({"drill": name} | figures), flush=True)  # noqa: T201


@asynccontextmanager
async def replica(house: House) -> AsyncIterator[Cluster]:
    """Of the house's server, streaming from it. Its socket lets everybody in."""
    base = await house.base()
    folder = house.folder()
    make_folder(folder)
    programs = await server_programs(house.settings, 18, or_later=False)
    recovery = Recovery(house.place, base, folder, programs, lambda *_: None)
    await recovery.fetch(THE_END)
    (recovery.data / "standby.signal").touch()
    give_to_runner(recovery.data / "standby.signal")
    primary = urlsplit(house.tidings.servers.database_url)
    follows = f"host=127.0.0.1 port={primary.port} user={primary.username} password={primary.password}"
    options = {"hot_standby": "on", "max_connections": "200", "primary_conninfo": follows, "restore_command": "false"}
    async with started(programs, recovery.data, options | WITHOUT_DURABILITY | {"shared_buffers": "64MB"}) as cluster:
        await cluster.until_open("tidings", lambda _: None)
        yield cluster


async def test_a_replica_that_was_promoted_has_a_new_epoch_at_once(house: House) -> None:
    """Its control file tells the old timeline until its first checkpoint has ended, which takes minutes."""
    async with replica(house) as cluster, connected(cluster.url("tidings", "tidings")) as connection:
        before = await connection.fetchval("SELECT epoch FROM shards WHERE shard = 0")
        # Not one that waits: a replica ends queries that are in the way of what it replays.
        await connection.execute("SELECT pg_promote(wait => false)")
        await until(lambda: is_primary(connection), 60, "it is a primary")
        await connection.execute("UPDATE shards SET lease_until = NULL")
        lease = await take_lease(connection, 0, "test", 10)
        assert lease is not None and lease.epoch != before


async def is_primary(connection: asyncpg.Connection) -> bool:
    with suppress(asyncpg.SerializationError):
        return not await connection.fetchval("SELECT pg_is_in_recovery()")
    return False


class Publishing:
    """Somebody publishes all the time. accepted: what was answered with 202, with the time of the answer."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.accepted: list[tuple[float, str]] = []

    @asynccontextmanager
    async def under_way(self) -> AsyncIterator["Publishing"]:
        task = asyncio.create_task(self.publish())
        yield self
        task.cancel()
        await asyncio.wait([task])

    async def publish(self) -> None:
        timeout = aiohttp.ClientTimeout(total=5)
        async with aiohttp.ClientSession(headers=self.project.headers, timeout=timeout) as session:
            number = 0
            while True:
                number += 1
                body = {"to": ["alice"], "title": f"{number}"}
                with suppress(aiohttp.ClientError, TimeoutError):
                    async with session.post(f"{self.project.base_url}/v1/notifications", json=body) as answer:
                        if answer.status == 202:
                            self.accepted.append((time.monotonic(), (await answer.json())["id"]))
                await asyncio.sleep(PUBLISHED_EVERY_S)

    async def again(self, since: float) -> float:
        """When the first was accepted after a moment."""

        async def is_accepted() -> bool:
            return bool(self.accepted) and self.accepted[-1][0] > since

        await until(is_accepted, 120, "publishing goes on")
        return min(at for at, _ in self.accepted if at > since)


@is_long
async def test_drill_the_primary_is_lost(house: House) -> None:
    """Its replica is promoted; the URL names both, so nothing is reconfigured."""
    async with replica(house) as cluster:
        primary = urlsplit(house.tidings.servers.database_url)
        credentials, hosts = f"{primary.username}:{primary.password}", f"127.0.0.1,{quote(str(cluster.socket), safe='')}"
        url = f"postgresql://{credentials}@/tidings?host={hosts}&port={primary.port},5432&target_session_attrs=primary"
        old = house.tidings.servers
        async with running(Servers(old.state, old.postgres, old.valkey, url, old.redis_url), url, TIDINGS_SHARDS=str(SHARDS)) as tidings:
            project = await house.tidings.new_project()
            project.base_url = tidings.base_url
            epochs = {row[0] for row in await rows(house.tidings.servers.database_url, "SELECT epoch FROM shards")}
            async with Publishing(project).under_way() as publishing:
                await publishing.again(time.monotonic())
                await asyncio.sleep(3)
                killed_at = time.monotonic()
                await house.tidings.postgres.kill()
                async with connected(cluster.url("tidings", "postgres")) as connection:
                    await connection.execute("SELECT pg_promote()")
                promoted_s = time.monotonic() - killed_at
                served_s = await publishing.again(killed_at + promoted_s) - killed_at
                await asyncio.sleep(2)
            there = {str(row[0]) for row in await rows(cluster.url("tidings", "tidings"), "SELECT id FROM notifications")}
            lost = [identity for _, identity in publishing.accepted if identity not in there]
            now = {row[0] for row in await rows(cluster.url("tidings", "tidings"), "SELECT epoch FROM shards")}
            assert not now & epochs
            tell(
                "postgres_lost",
                promoted_s=round(promoted_s, 2),
                rto_s=round(served_s, 2),
                accepted=len(publishing.accepted),
                lost=len(lost),
            )
            assert served_s < 60
    await house.tidings.mend()


async def rows(url: str, sql: str) -> list[Any]:
    async with connected(url) as connection:
        found: list[Any] = await connection.fetch(sql)
        return found


@asynccontextmanager
async def sentinels(tmp: Path) -> AsyncIterator[tuple[str, dict[str, asyncio.subprocess.Process]]]:
    """A primary, its replica and three sentinels; the URL, and the processes."""
    ports = {name: free_port() for name in ("primary", "replica", "one", "two", "three")}
    processes: dict[str, asyncio.subprocess.Process] = {}

    async def start(name: str, *arguments: str) -> None:
        folder = tmp / name
        folder.mkdir()
        quiet = asyncio.subprocess.DEVNULL
        processes[name] = await asyncio.create_subprocess_exec(program(), *arguments, "--dir", str(folder), stdout=quiet, stderr=quiet)

    await start("primary", "--port", str(ports["primary"]), "--save", "")
    await start("replica", "--port", str(ports["replica"]), "--save", "", "--replicaof", f"127.0.0.1 {ports['primary']}")
    for name in ("one", "two", "three"):
        configuration = tmp / f"{name}.conf"
        configuration.write_text(
            f"port {ports[name]}\nsentinel monitor tidings 127.0.0.1 {ports['primary']} 2\n"
            "sentinel down-after-milliseconds tidings 3000\nsentinel failover-timeout tidings 10000\n"
        )
        await start(name, str(configuration), "--sentinel")
    await asyncio.sleep(3)
    try:
        yield "redis+sentinel://" + ",".join(f"127.0.0.1:{ports[name]}" for name in ("one", "two", "three")) + "/tidings", processes
    finally:
        for process in processes.values():
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


@is_long
async def test_drill_redis_is_lost(house: House, tmp_path: Path) -> None:
    """Behind Sentinel: what is published meanwhile is accepted and arrives; nothing is lost."""
    async with sentinels(tmp_path) as (url, processes):
        old = house.tidings.servers
        servers = Servers(old.state, old.postgres, old.valkey, old.database_url, url)
        async with running(servers, old.database_url, TIDINGS_SHARDS=str(SHARDS)) as tidings:
            project = await house.tidings.new_project()
            project.base_url = tidings.base_url
            async with Listening(project).under_way() as listening, Publishing(project).under_way() as publishing:
                await publishing.again(time.monotonic())
                await asyncio.sleep(2)
                killed_at = time.monotonic()
                processes["primary"].kill()
                refused_s = await longest_silence(publishing, killed_at)
                await tidings.api.ready(60, "ok")
            assert await has_all(listening, publishing)
            lags = [listening.got[identity] - at for at, identity in publishing.accepted if identity in listening.got]
            tell("redis_lost", rto_s=round(refused_s, 2), rpo_s=0, latest_s=round(max(lags), 2), lost=0)


class Listening:
    """Polls for somebody all the time. got: when which arrived."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.got: dict[str, float] = {}

    @asynccontextmanager
    async def under_way(self) -> AsyncIterator["Listening"]:
        self.token = await self.project.token("alice")
        self.cursor = (await self.poll(""))["cursor"]
        task = asyncio.create_task(self.listen())
        try:
            yield self
            await asyncio.sleep(5)
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def poll(self, query: str) -> Any:
        return await self.project.call("GET", f"/v1/stream/poll{query}", Authorization=f"Bearer {self.token}")

    async def listen(self) -> None:
        while True:
            try:
                answer = await self.poll(f"?cursor={self.cursor}&wait=5")
            except (aiohttp.ClientError, TimeoutError, AssertionError):
                await asyncio.sleep(0.1)
                continue
            self.cursor = answer["cursor"]
            for event in answer["events"]:
                if event["event"] == "notification":
                    self.got.setdefault(event["data"]["id"], time.monotonic())


async def has_all(listening: Listening, publishing: Publishing) -> bool:
    return {identity for _, identity in publishing.accepted} <= set(listening.got)


async def longest_silence(publishing: Publishing, since: float) -> float:
    """Of publishing, in the 15 s after a moment."""
    await asyncio.sleep(15)
    times = [since, *(at for at, _ in publishing.accepted if at > since)]
    return max(later - earlier for earlier, later in pairwise(times))


FILL = """
INSERT INTO notifications (id, project, title, body, channels, audience, recipients, created_by, created_at)
SELECT gen_random_uuid(), $1, 'Load', repeat(md5(i::text), 8) || md5((i * 7)::text) || md5((i * 13)::text), '{inbox}', '[]', 1, 'test',
    now()
FROM generate_series(1, 1450000) AS i
"""
FILL_INBOX = """
INSERT INTO inbox (project, subscriber, id) SELECT $1, 1000000 + i % 5000, id
FROM (SELECT id, row_number() OVER () AS i FROM notifications) AS n, generate_series(1, 3)
ON CONFLICT DO NOTHING
"""


@is_long
async def test_drill_a_region_is_lost(house: House, bucket: Bucket) -> None:
    """A gigabyte. All machines of it are gone; what there is: the store in S3, and the keys. Tidings goes on elsewhere, by two commands."""
    project = await house.tidings.new_project()
    async with connected(house.tidings.servers.database_url) as connection:
        await connection.execute(FILL, project.id, timeout=600)
        await connection.execute(FILL_INBOX, project.id, timeout=600)
        size = await connection.fetchval("SELECT pg_database_size('tidings')")
    elsewhere = msgspec.structs.replace(house.settings, backup_url=bucket.url("region"))
    there = House(house.tidings, elsewhere, house.tmp)
    begun = time.monotonic()
    async with there.streaming():
        base = await there.base()
        made_s = time.monotonic() - begun
        run = await there.run("drill")
        assert run.state == "done" and run.result is not None, run.reason
        tell("point_in_time", gigabytes=round(size / 1e9, 2), **run.result)
        async with Publishing(project).under_way() as publishing:
            await asyncio.sleep(20)
            killed_at = time.monotonic()
            await house.tidings.postgres.kill()
    new, restore_begun = house.folder(), time.monotonic()
    restored = await there.restore(base, into=new)
    restored_s = time.monotonic() - restore_begun
    serving_s, last = await served(house, new, publishing)
    lost = [identity for at, identity in publishing.accepted if at > last]
    tell(
        "region_lost",
        gigabytes=round(size / 1e9, 2),
        stored_bytes=base.size,
        base_s=round(made_s, 1),
        restored_s=round(restored_s, 1),
        rto_s=round(restored_s + serving_s, 1),
        rpo_s=round(killed_at - last, 2),
        accepted=len(publishing.accepted),
        lost=len(lost),
        steps=restored.seconds,
    )
    await house.tidings.mend()
    assert killed_at - last < 5 and restored_s + serving_s < 60


async def served(house: House, state: Path, publishing: Publishing) -> tuple[float, float]:
    """How long until an API process elsewhere showed an inbox; and when the newest that it shows was accepted."""
    begun = time.monotonic()
    postgres = Part(EmbeddedPostgres(state))
    await postgres.start()
    assert "postgres" in recall(state)
    old = house.tidings.servers
    url = postgres.program.url  # type: ignore[attr-defined]
    servers = Servers(state, postgres, old.valkey, url, old.redis_url)
    try:
        async with running(servers, url, TIDINGS_SHARDS=str(SHARDS)) as tidings:
            project = publishing.project
            project.base_url = tidings.base_url
            newest = await until(lambda: newest_of(project), 60, "the inbox is served")
            took = time.monotonic() - begun
            return took, next(at for at, identity in publishing.accepted if identity == newest)
    finally:
        await end_somehow(postgres)


async def newest_of(project: Project) -> str | None:
    """None while it is not served."""
    try:
        inbox = await project.call("GET", "/v1/inbox", Authorization=f"Bearer {await project.token('alice')}")
    except AssertionError:
        return None
    return str(inbox["items"][0]["id"])
