"""A client of the stream that tests read from, and a process's worth of the stream edge to connect it to."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from uuid import UUID

import aiohttp
import msgspec
from litestar import Litestar
from litestar.datastructures import State
from litestar.di import Provide

from tidings.access.cache import AccessCache
from tidings.access.guards import dependencies, refuse_credentials_in_url
from tidings.access.idempotency import once_key
from tidings.access.principals import Tenant
from tidings.events.entry import NewEvent
from tidings.events.outbox import append
from tidings.platform.ids import uuid7
from tidings.platform.postgres import Database
from tidings.platform.problems import HANDLERS
from tidings.recipients.resolve import ensure_subscribers
from tidings.settings import Settings
from tidings.stream.edge import StreamEdge
from tidings.stream.routes import routers
from tidings.stream.server import Server, config_of, listening_socket

WITHIN_S = 15


class Told(NamedTuple):
    """An event as it arrived."""

    id: str | None
    event: str
    data: Any


class Ended(Exception):
    """The stream is over."""


class Stream:
    """An open stream; `ready` has been read."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response
        self.ready: dict[str, Any] = {}
        self.last_id: str | None = None

    async def next(self) -> Told:
        """The next event of the log; comments and counts, which come when they can, are passed over. Raises Ended."""
        async with asyncio.timeout(WITHIN_S):
            fields: dict[str, str] = {}
            while True:
                line = (await self.response.content.readline()).decode()
                if not line:
                    raise Ended
                if line == "\n" and fields.get("event") == "inbox.counts":
                    fields = {}
                elif line == "\n" and "event" in fields:
                    told = Told(fields.get("id"), fields["event"], json.loads(fields["data"]))
                    self.last_id = told.id or self.last_id
                    return told
                else:
                    name, _, value = line.rstrip("\n").partition(": ")
                    fields[name] = value

    async def line(self, wanted: bytes) -> None:
        """Until it comes."""
        async with asyncio.timeout(WITHIN_S):
            while (await self.response.content.readline()).strip() != wanted:
                pass

    async def titles(self, count: int) -> list[str]:
        """Of the next notifications."""
        return [(await self.next()).data["title"] for _ in range(count)]

    async def end(self) -> list[Told]:
        """What still comes before the stream ends."""
        left = []
        try:
            while True:
                left.append(await self.next())
        except Ended:
            return left

    def drop(self) -> None:
        self.response.close()


class House(NamedTuple):
    """One process: the edge, served on a real port."""

    edge: StreamEdge
    access: AccessCache
    database: Database
    tenant: Tenant
    url: str
    http: aiohttp.ClientSession

    async def token(self, subscriber: str, ttl_s: int = 600) -> str:
        return (await self.access.mint(self.tenant, subscriber, ttl_s, "test"))[0]

    async def inner(self, subscriber: str) -> int:
        async with self.database.system.acquire() as connection:
            return (await ensure_subscribers(connection, self.tenant.id, [subscriber], "test"))[subscriber]

    async def listen(self, subscriber: str, cursor: str | None = None, token: str | None = None) -> Stream:
        headers = {"Authorization": f"Bearer {token or await self.token(subscriber)}"}
        if cursor is not None:
            headers["Last-Event-ID"] = cursor
        return await self.listen_with(headers, {})

    async def listen_with(self, headers: dict[str, str], params: dict[str, str]) -> Stream:
        response = await self.http.get(f"{self.url}/v1/stream", headers=headers, params=params)
        assert response.status == 200, await response.text()
        stream = Stream(response)
        told = await stream.next()
        assert told.event == "ready"
        stream.ready = told.data
        return stream

    async def get(self, path: str, subscriber: str, **params: str) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {await self.token(subscriber)}"}
        async with self.http.get(self.url + path, headers=headers, params=params) as response:
            return response.status, await response.json()

    async def post(self, path: str, token: str, body: Any = None) -> tuple[int, Any]:
        async with self.http.post(self.url + path, headers={"Authorization": f"Bearer {token}"}, json=body) as response:
            return response.status, await response.json()

    async def publish(self, title: str, *to: str, topics: list[int] | None = None, everyone: bool = False, transient: bool = False) -> None:
        recipients = [await self.inner(subscriber) for subscriber in to]
        await self.append(
            "notification.created",
            {"id": str(uuid7()), "title": title},
            recipients=recipients or None,
            topics=topics,
            everyone=everyone,
            internal={"in_app": True, "transient": transient},
        )

    async def append(self, type: str, data: dict[str, Any], internal: dict[str, Any] | None = None, **audience: Any) -> None:
        event = NewEvent(
            project=self.tenant.id,
            shard=self.tenant.shard,
            type=type,
            notification=data["id"] if type.startswith("notification.") and UUID(data["id"]) else None,
            data=json.dumps(data, default=str),
            internal=None if internal is None else msgspec.json.encode(internal).decode(),
            actor="test",
            **audience,
        )
        async with self.database.system.acquire() as connection:
            await append(connection, [event])

    async def topic(self, *members: str) -> int:
        number: int = await self.database.system.fetchval(
            "INSERT INTO topics (project, key, created_by) VALUES ($1, $2, 'test') RETURNING id", self.tenant.id, str(uuid7())
        )
        await self.change_topic(number, add=members)
        return number

    async def change_topic(self, topic: int, add: tuple[str, ...] = (), remove: tuple[str, ...] = ()) -> None:
        added, removed = [await self.inner(name) for name in add], [await self.inner(name) for name in remove]
        project = self.tenant.id
        async with self.database.system.acquire() as connection, connection.transaction():
            change = await connection.fetchval("INSERT INTO topic_changes (project) VALUES ($1) RETURNING id", project)
            await connection.execute(
                "INSERT INTO topic_members (topic, subscriber, project, added_by) SELECT $1, s, $2, $3 FROM unnest($4::bigint[]) s",
                *(topic, project, change, added),
            )
            await connection.execute(
                "UPDATE topic_members SET removed_by = $1 WHERE topic = $2 AND subscriber = ANY($3::bigint[]) AND removed_by IS NULL",
                *(change, topic, removed),
            )
            event = NewEvent(
                project=project,
                shard=self.tenant.shard,
                type="topic.members",
                data="{}",
                internal=json.dumps({"topic": topic, "added": added, "removed": removed}),
                topics=[topic],
                topic_change=change,
                actor="test",
            )
            await append(connection, [event])

    async def settled(self) -> None:
        """Everything that was committed has reached this process."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                shard = self.edge.shard(self.tenant.shard)
                query = "SELECT head, EXISTS (SELECT FROM outbox WHERE shard = $1) FROM shards WHERE shard = $1"
                head, waiting = await self.database.system.fetchrow(query, shard.number)
                if not waiting and shard.position >= head:
                    return
                await asyncio.sleep(0.01)

    async def until(self, holds: Any) -> None:
        async with asyncio.timeout(WITHIN_S):
            while not holds():
                await asyncio.sleep(0.01)


@asynccontextmanager
async def open_house(database: Database, settings: Settings, tenant: Tenant, protocol: Any) -> AsyncIterator[House]:
    """protocol: uvicorn's HTTP protocol class; with its own, streams go through ASGI `send`."""
    access = AccessCache(database, settings)
    edge = StreamEdge(database, settings, access)
    edge.listen(access.apply)
    await edge.start()
    listener = listening_socket("127.0.0.1", 0)
    config = config_of(app_of(edge, access), settings, protocol)
    config.timeout_graceful_shutdown = 2
    server = Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    url = f"{settings.scheme}://127.0.0.1:{listener.getsockname()[1]}"
    async with aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=60),
        # Whose certificate it is, is tested on its own.
        connector=aiohttp.TCPConnector(limit=0, ssl=False),
        # A line longer than this cannot be read.
        read_bufsize=2**20,
    ) as http:
        house = House(edge, access, database, tenant, url, http)
        await house.settled()  # the project's own first events
        yield house
    await edge.drain()
    server.end()
    await serving
    await edge.stop()


def app_of(edge: StreamEdge, access: AccessCache) -> Litestar:
    return Litestar(
        route_handlers=routers,
        dependencies=dependencies
        | {
            "edge": Provide(lambda: edge, sync_to_thread=False),
            "database": Provide(lambda: edge.database, sync_to_thread=False),
            "once": Provide(once_key),
        },
        exception_handlers=HANDLERS,
        before_request=refuse_credentials_in_url,
        state=State({"tidings": Holder(access, edge)}),
        openapi_config=None,
        debug=False,
    )


class Holder(NamedTuple):
    access: AccessCache
    edge: StreamEdge
