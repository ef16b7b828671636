"""The hot window: the newest events of a shard, in memory, found by who they concern.

A stream that resumes asks for its own missed events only, so a storm of 5,000 reconnects costs Redis and PostgreSQL nothing and
memory no scan. Bounded by events, and by bytes over all windows of the process. Positions in it have no gap; those without a frame
are only counted.

The index is made when somebody asks: entering and forgetting each event took a sixth of a delivery to one person, and most events are
never asked for. All at once, 10,000 to one person each take 4 to 8 ms, and as many of 100 recipients as the bytes allow up to 53; a storm
pays that once.
"""

from bisect import bisect_right
from collections.abc import Collection, Sequence
from operator import attrgetter

import msgspec

from tidings.events.entry import LogEvent
from tidings.stream.memberships import Membership

# What an entry costs beside its frame: struct, ints, dict slots; and a recipient, in its list and in the index. Measured with new
# recipients each time; of known ones it is less, so the real memory is 0.25 to 1.0 times what is counted.
ENTRY_BYTES = 300
RECIPIENT_BYTES = 220
# Events with more recipients are not entered under each of them: for 1,000 that took longer than finding their connections. Whoever resumes
# looks through those it may have missed, 0.1 µs each; of more than 200 recipients, 64 MiB hold 2,400.
WIDE = 200
WIDE_RECIPIENT_BYTES = 140


class Kept(msgspec.Struct, gc=False):
    """recipients: a set once it is indexed, for more than WIDE of them."""

    project: int
    recipients: Collection[int]
    topics: Sequence[int]
    everyone: bool
    frame: bytes


Index = dict[int, list[int]]


class Budget:
    """The bytes that the windows of a process may hold together. The largest gives way, so that a busy shard does not empty a quiet one."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.used = 0
        self.windows: list[HotWindow] = []

    def make_room(self) -> None:
        while self.used > self.most:
            max(self.windows, key=attrgetter("bytes")).drop_first()


class HotWindow:
    """Holds positions `first` to `last`; empty when first is last + 1."""

    def __init__(self, last: int, most_events: int, budget: Budget) -> None:
        self.most_events = most_events
        self.budget = budget
        self.bytes = 0
        budget.windows.append(self)
        self.clear(last)

    def clear(self, last: int) -> None:
        """Forget everything; the next event is last + 1."""
        self.budget.used -= self.bytes
        self.first = last + 1
        self.last = last
        self.bytes = 0
        self.kept: dict[int, Kept] = {}
        self.indexed_to = last
        self.by_subscriber: Index = {}
        self.wide: list[int] = []
        self.by_topic: Index = {}
        self.by_project: Index = {}

    def add(self, event: LogEvent, frame: bytes) -> None:
        position = self.last = event.position
        if frame:
            entry = Kept(event.project, event.recipients or (), event.topics or (), event.everyone, frame)
            self.kept[position] = entry
            self.count(cost(entry))
        while position - self.first >= self.most_events:
            self.drop_first()
        if self.budget.used > self.budget.most:
            self.budget.make_room()

    def index(self) -> None:
        """Enter what has come since the last time."""
        for position in range(self.indexed_to + 1, self.last + 1):
            if (entry := self.kept.get(position)) is not None:
                self.enter(position, entry)
        self.indexed_to = self.last

    def enter(self, position: int, entry: Kept) -> None:
        if len(entry.recipients) > WIDE:
            entry.recipients = frozenset(entry.recipients)
            self.wide.append(position)
        else:
            for subscriber in entry.recipients:
                self.by_subscriber.setdefault(subscriber, []).append(position)
        for topic in entry.topics:
            self.by_topic.setdefault(topic, []).append(position)
        if entry.everyone:
            self.by_project.setdefault(entry.project, []).append(position)

    def count(self, bytes: int) -> None:
        self.bytes += bytes
        self.budget.used += bytes

    def drop_first(self) -> None:
        entry = self.kept.pop(self.first, None)
        if entry is not None:
            self.count(-cost(entry))
            if self.first <= self.indexed_to:
                self.forget(entry)
        self.first += 1
        self.indexed_to = max(self.indexed_to, self.first - 1)

    def forget(self, entry: Kept) -> None:
        """The oldest of those that are indexed."""
        if isinstance(entry.recipients, frozenset):
            del self.wide[0]
        else:
            for subscriber in entry.recipients:
                forget_first(self.by_subscriber, subscriber)
        for topic in entry.topics:
            forget_first(self.by_topic, topic)
        if entry.everyone:
            forget_first(self.by_project, entry.project)

    def reaches(self, position: int) -> bool:
        """Whether everything after the position is here."""
        return self.first <= position + 1

    def missed(self, subscriber: int, project: int, memberships: Sequence[Membership], after: int) -> list[int]:
        """Positions after `after` that concern the subscriber, rising, each once.

        Costs what was missed, not what is kept, once what came since the last question is indexed.
        """
        self.index()
        found = tail(self.by_subscriber.get(subscriber), after)
        sources = 1 if found else 0
        positions = [position for position in tail(self.wide, after) if subscriber in self.kept[position].recipients]
        if positions:
            sources += 1
            found = found + positions
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
    each = WIDE_RECIPIENT_BYTES if len(entry.recipients) > WIDE else RECIPIENT_BYTES
    return len(entry.frame) + ENTRY_BYTES + each * len(entry.recipients) + RECIPIENT_BYTES * len(entry.topics)


def tail(positions: list[int] | None, after: int) -> list[int]:
    if not positions or positions[-1] <= after:
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
