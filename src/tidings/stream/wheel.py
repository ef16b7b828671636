"""Heartbeats and expiry for any number of streams with one tick a second: no timer per connection."""

from collections import defaultdict

from tidings.stream.bare import write_to_all
from tidings.stream.connection import Connection
from tidings.stream.frames import BEAT
from tidings.stream.ring import Ring

BEAT_S = 15


class Wheel:
    """buckets: every connection is in one, and hears a heartbeat when the wheel comes to it."""

    def __init__(self, ring: Ring | None = None) -> None:
        self.ring = ring
        self.buckets: list[set[Connection]] = [set() for _ in range(BEAT_S)]
        self.expiring: defaultdict[int, set[Connection]] = defaultdict(set)
        self.hand = 0
        self.count = 0
        self.expired_to = 0

    def add(self, connection: Connection) -> None:
        # The bucket just passed: its first heartbeat comes after 15 s.
        connection.bucket = self.hand
        self.buckets[self.hand].add(connection)
        self.expiring[connection.expires_at].add(connection)
        self.count += 1

    def remove(self, connection: Connection) -> bool:
        """Whether it was there."""
        bucket = self.buckets[connection.bucket]
        if connection not in bucket:
            return False
        bucket.remove(connection)
        self.forget_expiry(connection)
        self.count -= 1
        return True

    def expire_at(self, connection: Connection, expires_at: int) -> None:
        """Its token was renewed."""
        self.forget_expiry(connection)
        connection.expires_at = expires_at
        if connection in self.buckets[connection.bucket]:
            self.expiring[expires_at].add(connection)

    def forget_expiry(self, connection: Connection) -> None:
        due = self.expiring.get(connection.expires_at)
        if due is not None:
            due.discard(connection)
            if not due:
                del self.expiring[connection.expires_at]

    def tick(self, now: int) -> None:
        self.hand = (self.hand + 1) % BEAT_S
        self.beat([connection for connection in self.buckets[self.hand] if connection.is_open and not connection.paused_at])
        # Every second that has passed, not just this one: a stalled loop or a stepped clock must let nobody stay.
        for second in [second for second in self.expiring if second <= now]:
            for connection in list(self.expiring.get(second, ())):
                connection.close("expired")
                self.forget_expiry(connection)

    def beat(self, connections: list[Connection]) -> None:
        write_to_all(self.ring, [connection for connection in connections if connection.is_live], BEAT)
        for connection in connections:
            # What it waits for may take longer than a proxy's patience.
            if not connection.is_live:
                connection.transport.write(BEAT)
