"""Who is a member of which topic, exactly as of a position of the log.

The theory. Memberships are read from PostgreSQL together with the head of the log, in one statement and so one snapshot: a change
with a position ≤ that head is in the rows, every other one arrives later as a `topic.members` event. This process never knows more of
the log than PostgreSQL, so the events to watch for are those that arrive here while the rows are being read; a `Joining` records them.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from tidings.platform.postgres import Database

# Tuples (topic, added, removed): member for positions strictly between; removed is None while it lasts.
Membership = tuple[int, int, int | None]

LOAD = """
SELECT m.subscriber, m.topic, added.position AS added, removed.position AS removed, h.epoch, h.head
FROM (SELECT epoch, head FROM shards WHERE shard = $2) AS h
LEFT JOIN topic_members m ON m.subscriber = ANY($1::bigint[])
LEFT JOIN topic_changes added ON added.id = m.added_by
LEFT JOIN topic_changes removed ON removed.id = m.removed_by
"""


class Loaded(NamedTuple):
    """A subscriber's memberships as of `head`; later changes are not in them."""

    epoch: str
    head: int
    memberships: Sequence[Membership]


class Joining:
    """Changes of one subscriber's memberships that arrive while a stream is being opened."""

    __slots__ = ("changes",)

    def __init__(self) -> None:
        self.changes: list[tuple[int, int, bool]] = []

    def note(self, position: int, topic: int, added: bool) -> None:
        self.changes.append((position, topic, added))

    def after(self, loaded: Loaded) -> list[Membership]:
        """The memberships with what has arrived since."""
        memberships = list(loaded.memberships)
        for position, topic, added in self.changes:
            if position > loaded.head:
                apply(memberships, position, topic, added)
        return memberships


def apply(memberships: list[Membership], position: int, topic: int, added: bool) -> None:
    for index, (known, since, until) in enumerate(memberships):
        if known == topic and until is None:
            if not added:
                memberships[index] = (topic, since, position)
            return
    if added:
        memberships.append((topic, position, None))


def topics_at(memberships: Sequence[Membership], position: int) -> tuple[int, ...]:
    """The topics whose next event concerns the subscriber, at a position of the log."""
    return tuple(topic for topic, added, removed in memberships if added <= position and (removed is None or removed > position))


async def load_memberships(database: Database, keys: Sequence[tuple[int, int]]) -> dict[tuple[int, int], Loaded]:
    """Memberships of many subscribers, one statement a shard. keys: (shard, subscriber)."""
    found: dict[tuple[int, int], Loaded] = {}
    by_shard: dict[int, list[int]] = defaultdict(list)
    for shard, subscriber in keys:
        by_shard[shard].append(subscriber)
    for shard, subscribers in by_shard.items():
        rows = await database.system.fetch(LOAD, subscribers, shard)
        if not rows:
            raise ConnectionError(f"shard {shard} is not in PostgreSQL")
        epoch, head = rows[0]["epoch"], rows[0]["head"]
        of: dict[int, list[Membership]] = defaultdict(list)
        for row in rows:
            # A change without a position has none yet: it comes after every position anyone knows.
            if row["added"] is not None and row["added"] <= head:
                removed = row["removed"]
                of[row["subscriber"]].append((row["topic"], row["added"], removed if removed is None or removed <= head else None))
        for subscriber in subscribers:
            found[shard, subscriber] = Loaded(epoch, head, of.get(subscriber, ()))
    return found
