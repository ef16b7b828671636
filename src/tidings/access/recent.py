"""A bounded memory of answers: the least recently used goes first, and none is believed for longer than it was given."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, NamedTuple, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Entry(NamedTuple, Generic[V]):
    """until: on the monotonic clock."""

    value: V
    until: float


class Recent(Generic[K, V]):
    """hits, misses: of `get`, since it was made."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self.clock = clock
        self.entries: OrderedDict[K, Entry[V]] = OrderedDict()
        self.hits = 0
        self.misses = 0

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[tuple[K, V]]:
        return ((key, entry.value) for key, entry in list(self.entries.items()))

    def get(self, key: K) -> Entry[V] | None:
        """An entry and not a value, because "there is no such key" is worth remembering too."""
        entry = self.entries.get(key)
        if entry is None:
            self.misses += 1
            return None
        if entry.until <= self.clock():
            self.misses += 1
            del self.entries[key]
            return None
        self.hits += 1
        self.entries.move_to_end(key)
        return entry

    def put(self, key: K, value: V, ttl_s: float) -> None:
        self.entries[key] = Entry(value, self.clock() + ttl_s)
        self.entries.move_to_end(key)
        if len(self.entries) > self.limit:
            self.entries.popitem(last=False)

    def forget(self, key: K) -> None:
        self.entries.pop(key, None)
