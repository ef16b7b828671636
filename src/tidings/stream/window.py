"""The hot window: the newest events of a shard, in memory, found by who they concern.

A stream that resumes asks for its own missed events only, so a storm of 5,000 reconnects costs Redis and PostgreSQL nothing and
memory no scan. Bounded by events and by bytes. Positions in it have no gap; those without a frame are only counted.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from tidings.events.entry import LogEvent
from tidings.stream.memberships import Membership

# What an entry costs beside its frame: tuple, ints, dict slots; and a recipient, in its list and in the index.
ENTRY_BYTES = 300
RECIPIENT_BYTES = 220


class Kept(NamedTuple):
    project: int
    recipients: Sequence[int]
    topics: Sequence[int]
    everyone: bool
    frame: bytes


Index = dict[int, list[int]]


class HotWindow:
    """Holds positions `first` to `last`; empty when first is last + 1."""

    def __init__(self, last: int, most_events: int, most_bytes: int) -> None:
        self.most_events = most_events
        self.most_bytes = most_bytes
        self.clear(last)

    def clear(self, last: int) -> None:
        """Forget everything; the next event is last + 1."""
        self.first = last + 1
        self.last = last
        self.bytes = 0
        self.kept: dict[int, Kept] = {}
        self.by_subscriber: Index = {}
        self.by_topic: Index = {}
        self.by_project: Index = {}

    def add(self, event: LogEvent, frame: bytes) -> None:
        position = self.last = event.position
        if frame:
            entry = Kept(event.project, event.recipients or (), event.topics or (), event.everyone, frame)
            self.kept[position] = entry
            self.bytes += cost(entry)
            for subscriber in entry.recipients:
                self.by_subscriber.setdefault(subscriber, []).append(position)
            for topic in entry.topics:
                self.by_topic.setdefault(topic, []).append(position)
            if entry.everyone:
                self.by_project.setdefault(entry.project, []).append(position)
        while self.first <= position and (position - self.first >= self.most_events or self.bytes > self.most_bytes):
            self.drop_first()

    def drop_first(self) -> None:
        entry = self.kept.pop(self.first, None)
        if entry is not None:
            self.bytes -= cost(entry)
            for subscriber in entry.recipients:
                forget_first(self.by_subscriber, subscriber)
            for topic in entry.topics:
                forget_first(self.by_topic, topic)
            if entry.everyone:
                forget_first(self.by_project, entry.project)
        self.first += 1

    def reaches(self, position: int) -> bool:
        """Whether everything after the position is here."""
        return self.first <= position + 1

    def missed(self, subscriber: int, project: int, memberships: Sequence[Membership], after: int) -> list[int]:
        """Positions after `after` that concern the subscriber, rising, each once. Costs what was missed, not what is kept."""
        found = tail(self.by_subscriber.get(subscriber), after)
        sources = 1 if found else 0
        for topic, added, removed in memberships:
            positions = tail(self.by_topic.get(topic), max(after, added))
            if removed is not None:
                positions = [position for position in positions if position < removed]
            if positions:
                sources += 1
                found = found + positions
        positions = tail(self.by_project.get(project), after)
        if positions:
            sources += 1
            found = found + positions
        return found if sources < 2 else sorted(set(found))


def cost(entry: Kept) -> int:
    return len(entry.frame) + ENTRY_BYTES + RECIPIENT_BYTES * (len(entry.recipients) + len(entry.topics))


def tail(positions: list[int] | None, after: int) -> list[int]:
    if positions is None or positions[-1] <= after:
        return []
    return positions[bisect_right(positions, after) :]


def forget_first(index: Index, key: int) -> None:
    positions = index.get(key)
    if positions is None:
        return
    if len(positions) == 1:
        del index[key]
    else:
        del positions[0]
