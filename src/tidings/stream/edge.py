"""The stream edge of a process: everything that stands between the log and the browsers, started, drained and stopped as one."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from loguru import logger

from tidings.access.cache import AccessCache
from tidings.errors import Unavailable
from tidings.events.cursor import Cursor
from tidings.events.entry import LogEvent
from tidings.notifications.structs import Counts
from tidings.platform.gather import Gather
from tidings.platform.ids import random_id
from tidings.platform.metrics import BACKLOG_LIMIT, SERVER_UP
from tidings.platform.postgres import POSTGRES_AWAY, Database
from tidings.platform.redis import open_redis
from tidings.settings import Settings
from tidings.stream.admission import Admission
from tidings.stream.connection import Connection
from tidings.stream.control import take_control
from tidings.stream.drain import drain
from tidings.stream.fan_out import deliver
from tidings.stream.follower import Follower, heads_of
from tidings.stream.frames import jittered_retry
from tidings.stream.hub import Hub
from tidings.stream.memberships import Loaded, load_memberships
from tidings.stream.protocol import StreamingProtocol
from tidings.stream.replay import reset_frame
from tidings.stream.ring import open_ring
from tidings.stream.sessions import SWEEP, extend_session, open_sessions
from tidings.stream.shard import Shard
from tidings.stream.sign_in import Visitor
from tidings.stream.stale_counts import MOST_AT_ONCE, load_counts
from tidings.stream.streamed import Streamed

# Replays from PostgreSQL at a time: they must not take the pool from the follower.
MOST_READING = 2
SWEEP_EVERY_S = 60


class StreamEdge:
    """may_be_short: whether streams may be opened the short way (`shortcut.py`), for a project by its key."""

    def __init__(
        self, database: Database, settings: Settings, access: AccessCache, may_be_short: Callable[[str], bool] = lambda project: True
    ) -> None:
        assert settings.redis_url is not None
        self.database = database
        self.settings = settings
        self.access = access
        self.may_be_short = may_be_short
        self.redis = open_redis(settings.redis_url)
        self.admission = Admission(self.redis, random_id("proc"), settings.streams_per_subscriber, settings.streams_per_project)
        self.streamed = Streamed()
        self.hub = Hub(settings.connection_buffer_bytes, self.streamed, open_ring(settings.io_uring))
        self.hub.control.append(partial(take_control, self.hub))
        self.hub.freed = self.free
        self.hub.renewed = self.extend
        redis_url = settings.stream_redis_url or settings.redis_url
        self.follower = Follower(database, redis_url, settings, partial(deliver, self.hub), self.end_history)
        self.memberships: Gather[tuple[int, int], Loaded] = Gather(partial(load_memberships, database), paced=True)
        self.sessions: Gather[bytes, Visitor] = Gather(partial(open_sessions, database), paced=True)
        self.heads: Gather[int, Cursor] = Gather(partial(heads_of, database), paced=True)
        self.counts: Gather[int, Counts] = Gather(partial(load_counts, database), MOST_AT_ONCE)
        self.reading = asyncio.Semaphore(MOST_READING)
        self.is_draining = False
        self.refuses = False
        self.tasks: set[asyncio.Task[None]] = set()
        BACKLOG_LIMIT.set(settings.backlog_limit)
        SERVER_UP.labels("redis").set_function(lambda: not self.redis_away)
        SERVER_UP.labels("postgresql").set_function(lambda: not self.follower.postgres_away)

    # For the app

    async def start(self) -> None:
        """Returns when the hot windows are warm and live events flow."""
        await self.follower.start()
        self.admission.start()
        self.spawn(self.tick_for_ever())

    async def drain(self) -> None:
        """Readiness fails first; then every stream is told to come back elsewhere, spread over the drain window."""
        self.is_draining = True
        await asyncio.sleep(self.settings.readiness_delay_s)
        self.refuses = True
        await drain(self.hub, self.settings.drain_s)

    async def stop(self) -> None:
        self.is_draining = self.refuses = True
        for connection in self.hub.everyone():
            connection.abort("stop")
        await self.follower.stop()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.admission.stop()
        await self.redis.aclose()
        if self.hub.ring is not None:
            self.hub.ring.close()
            self.hub.ring = None

    def listen(self, callback: Callable[[LogEvent], None]) -> None:
        """Call it with every event of the log that is not for subscribers: keys revoked, tokens ended, members changed.

        Before streams act on it: a stream that reconnects at once must not find a stale credential.
        """
        self.hub.control.insert(0, callback)

    def shard(self, number: int) -> Shard:
        """Raises Unavailable until the shard is followed."""
        shard = self.follower.shards.get(number)
        if shard is None:
            raise Unavailable("This process has not reached the log yet; try again.")
        return shard

    def position(self, shard: int) -> Cursor:
        """How far this process has come: a snapshot read after asking can be streamed from here without a gap."""
        return self.shard(shard).cursor

    def backlog(self, shard: int) -> int:
        """Events that wait for their position, as far as is known."""
        known = self.follower.shards.get(shard)
        return 0 if known is None else known.backlog.at(known.position)

    def let_in(self, shard: int, events: int) -> None:
        """Events that are about to join the backlog."""
        known = self.follower.shards.get(shard)
        if known is not None:
            known.backlog.let_in += events

    @property
    def redis_away(self) -> bool:
        return self.follower.redis_away or self.admission.away

    def refuse_when_draining(self) -> None:
        if self.refuses:
            raise Unavailable("This process is about to stop; connect again.", retry_after=1)

    # For the parts of the stream

    def spawn(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def free(self, connection: Connection) -> None:
        self.admission.release(connection.subscriber, connection.project)

    def end_history(self, shard: Shard, reason: str) -> None:
        self.hub.end_history(shard, lambda: reset_frame(shard, reason, jittered_retry()))

    def extend(self, connection: Connection) -> None:
        """Its ticket's URL reopens it for as long as the new token holds."""
        if connection.session is not None:
            until, issued = datetime.fromtimestamp(connection.expires_at, UTC), datetime.fromtimestamp(connection.issued_at, UTC)
            self.spawn(self.quietly(extend_session(self.database, connection.session, until, issued, connection.signed_by)))

    async def tell_counts(self) -> None:
        self.hub.tell(await self.hub.stale_counts.take(self.database))

    async def quietly(self, work: Any) -> None:
        try:
            await work
        except POSTGRES_AWAY as error:
            logger.debug("left undone while PostgreSQL is away: {}", error)

    async def tick_for_ever(self) -> None:
        second, due = 0, asyncio.get_running_loop().time()
        while True:
            # A second after the last was due, so that a tick that took long makes the next one earlier. By the loop's clock: uvloop wakes
            # up to a millisecond early, and what waited for the full second of the wall's clock then ticked twice (18 times in 15 s).
            now = asyncio.get_running_loop().time()
            due = max(due + 1, now)
            await asyncio.sleep(due - now)
            second += 1
            try:
                self.hub.tick()
                StreamingProtocol.close_overdue(asyncio.get_running_loop().time())
                await self.quietly(self.streamed.flush(self.database))
                await self.quietly(self.tell_counts())
                if second % SWEEP_EVERY_S == 0:
                    await self.quietly(self.database.system.execute(SWEEP))
            except Exception:
                logger.exception("a tick of the stream edge failed")
