"""Who listens in this process.

Everything here and in the fan-out (fan_out.py) is synchronous: between two awaits of the caller a batch of events is in the hot window
*and* with every live connection, or in neither. Opening a stream relies on it.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence

from loguru import logger

from tidings.events.entry import LogEvent
from tidings.platform.metrics import STREAMS
from tidings.stream.bare import write_each
from tidings.stream.connection import Connection
from tidings.stream.memberships import Joining
from tidings.stream.ring import Ring
from tidings.stream.shard import Shard
from tidings.stream.stale_counts import StaleCounts
from tidings.stream.streamed import Streamed
from tidings.stream.wheel import Wheel

# One connection is held bare: a tuple around it would cost 48 bytes a stream.
Several = Connection | tuple[Connection, ...]
Control = Callable[[LogEvent], None]
LONGEST_PAUSE_S = 30.0


class Hub:
    """most_buffered: bytes that may wait in a connection whose client does not read.

    control: called with each event that is no subscriber's business, in the order of the log.   freed, renewed: called when a
    connection is gone, or goes on under a newer token.   ring: to write to many at once, where the kernel has it.
    """

    def __init__(self, most_buffered: int, streamed: Streamed, ring: Ring | None = None) -> None:
        self.most_buffered = most_buffered
        self.streamed = streamed
        self.control: list[Control] = []
        self.freed: Callable[[Connection], None] = lambda connection: None
        self.renewed: Callable[[Connection], None] = lambda connection: None
        self.subscribers: dict[int, Several] = {}
        self.topics: defaultdict[int, set[Connection]] = defaultdict(set)
        self.projects: defaultdict[int, set[Connection]] = defaultdict(set)
        self.sessions: dict[bytes, Connection] = {}
        self.joining: dict[int, list[Joining]] = {}
        self.endings = 0
        self.recent_endings: list[LogEvent] = []
        self.paused: set[Connection] = set()
        self.stale_counts = StaleCounts()
        self.ring = ring
        self.wheel = Wheel(ring)
        # Asked when it is read: setting it cost each opening and each end 2 µs.
        STREAMS.set_function(lambda: self.wheel.count)

    # Coming and going

    def attach(self, connection: Connection) -> None:
        """From now on it is found by control events, heartbeats and expiry; events reach it when it is live."""
        held = self.subscribers.get(connection.subscriber)
        self.subscribers[connection.subscriber] = connection if held is None else (*as_tuple(held), connection)
        self.wheel.add(connection)
        if connection.session is not None:
            older = self.sessions.get(connection.session)
            self.sessions[connection.session] = connection
            if older is not None:
                older.close("reopened")

    def go_live(self, connection: Connection, topics: tuple[int, ...]) -> None:
        """The caller has given it everything up to its shard's position, which is where live begins."""
        connection.topics = topics
        for topic in topics:
            self.topics[topic].add(connection)
        self.projects[connection.project].add(connection)
        connection.go_live()

    def detach(self, connection: Connection) -> None:
        if not self.wheel.remove(connection):
            return
        left = tuple(other for other in as_tuple(self.subscribers.get(connection.subscriber, ())) if other is not connection)
        if not left:
            self.subscribers.pop(connection.subscriber, None)
        else:
            self.subscribers[connection.subscriber] = left if len(left) > 1 else left[0]
        for topic in connection.topics:
            discard(self.topics, topic, connection)
        discard(self.projects, connection.project, connection)
        if connection.session is not None and self.sessions.get(connection.session) is connection:
            del self.sessions[connection.session]
        self.paused.discard(connection)
        self.freed(connection)

    def enter(self, connection: Connection, topic: int) -> None:
        """It became a member. One that is not live yet learns it from its `Joining`."""
        if connection.is_live and topic not in connection.topics:
            connection.topics = (*connection.topics, topic)
            self.topics[topic].add(connection)

    def leave(self, connection: Connection, topic: int) -> None:
        if topic in connection.topics:
            connection.topics = tuple(other for other in connection.topics if other != topic)
            discard(self.topics, topic, connection)

    def renew(self, connection: Connection, issued_at: float, expires_at: int, signed_by: str | None) -> None:
        """It goes on under a newer token."""
        connection.issued_at = issued_at
        connection.signed_by = signed_by
        self.wheel.expire_at(connection, expires_at)
        self.renewed(connection)

    def of(self, subscriber: int) -> tuple[Connection, ...]:
        return as_tuple(self.subscribers.get(subscriber, ()))

    def everyone(self) -> list[Connection]:
        return [connection for bucket in self.wheel.buckets for connection in bucket]

    # Events and words

    def audience(self, event: LogEvent) -> Collection[Connection]:
        """Connections that the event concerns, each once. A set of the hub's own may be answered: it must not change meanwhile."""
        if event.recipients:
            found = self.named(event.recipients)
            if not event.topics and not event.everyone:
                return found
        elif event.everyone:
            return self.projects.get(event.project, ())
        elif event.topics is not None and len(event.topics) == 1:
            return self.topics.get(event.topics[0], ())
        else:
            found = []
        union = set(found)
        for topic in event.topics or ():
            union |= self.topics.get(topic, set())
        if event.everyone:
            union |= self.projects.get(event.project, set())
        return union

    def named(self, recipients: Sequence[int]) -> list[Connection]:
        found: list[Connection] = []
        for held in map(self.subscribers.get, recipients):
            if held.__class__ is Connection:
                found.append(held)
            elif held is not None:
                found.extend(held)  # type: ignore[arg-type]
        return found

    def take_control(self, event: LogEvent) -> None:
        for take in self.control:
            try:
                take(event)
            except Exception:
                # One event that cannot be read must not hold up the log for everyone.
                logger.exception("event {} of type {} could not be acted on", event.position, event.type)

    def end_history(self, shard: Shard, last_words: Callable[[], bytes]) -> None:
        """Another history has begun: every stream of the shard is told and ends, because who listens to what is to be read again."""
        for connection in self.everyone():
            if connection.shard is shard:
                connection.close_with(last_words(), "reset")
        shard.wake()

    def tell(self, words: dict[int, bytes]) -> None:
        """Something that is no event of the log, to live streams, by subscriber."""
        write_each(self.ring, {one: data for subscriber, data in words.items() for one in self.of(subscriber) if one.is_live})

    def tick(self) -> None:
        """Each second: heartbeats, tokens that expire, clients that do not read."""
        now = time.monotonic()
        for connection in list(self.paused):
            if now - connection.paused_at > LONGEST_PAUSE_S:
                connection.abort("slow")
        self.wheel.tick(int(time.time()))


def as_tuple(held: Several) -> tuple[Connection, ...]:
    return held if isinstance(held, tuple) else (held,)


def discard(sets: dict[int, set[Connection]], key: int, connection: Connection) -> None:
    members = sets.get(key)
    if members is not None:
        members.discard(connection)
        if not members:
            del sets[key]
