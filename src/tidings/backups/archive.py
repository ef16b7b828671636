"""The write-ahead log of one cluster in the store.

    wal/SERVER/SEGMENT            a whole segment
    wal/SERVER/SEGMENT.partial    the one that is being written, as far as it went; written again every few seconds
    wal/SERVER/TIMELINE.history   where a timeline began
    wal/SERVER/covered            up to where all this goes, and when the server was there

SERVER is the cluster's system identifier: what is restored or promoted keeps it and has another timeline, so nothing is written over.
"""

from collections.abc import AsyncIterator, Collection
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec

from tidings.backups.drafts import Place
from tidings.backups.errors import BackupFailed, Damaged, Missing, StoreFailed, WrongKey
from tidings.backups.objects import get_sealed, put_sealed
from tidings.backups.segments import HISTORY, PARTIAL, SEGMENT, missing, number_of, position_of, timeline_of

FOLDER, COVERED = "wal", "covered"
LAST = 2**62
# It is told every 20 s (`streaming.py`).
STREAMED_LATELY = timedelta(minutes=1)


class Covered(msgspec.Struct, frozen=True):
    """Whatever the server had made durable at `at` is in the store. position: as in "0/3000028"."""

    timeline: int
    position: str
    at: datetime

    def is_of_late(self, now: datetime) -> bool:
        return now - self.at < STREAMED_LATELY


async def refuse_beside_another(place: Place, server: str, timeline: int) -> None:
    """A restored copy that is looked at may have the store of the living deployment in its environment. Its WAL would be taken for what
    followed, its dumps would push the living ones out. Raises BackupFailed.

    server, timeline: of the cluster that is about to write there.
    """
    async for other, covered in streamed(place):
        if (other, covered.timeline) != (server, timeline) and covered.is_of_late(datetime.now(UTC)):
            raise BackupFailed(
                f"Another cluster streams into this store: {other} on timeline {covered.timeline}, at {covered.at:%H:%M:%S} UTC; this is "
                f"{server} on timeline {timeline}. Run a restored copy without TIDINGS_BACKUP_URL; after a promotion wait a minute."
            )


async def streamed(place: Place) -> AsyncIterator[tuple[str, Covered]]:
    """What was told last of each server. What cannot be read tells of nobody, nor does a store that is away: that costs no backup."""
    with suppress(StoreFailed):
        for server in await place.store.folders(FOLDER):
            with suppress(Missing, Damaged, WrongKey):
                yield server, msgspec.json.decode(await get_sealed(place, f"{FOLDER}/{server}/{COVERED}"), type=Covered)


class Row(NamedTuple):
    """names: of objects, in order.   gaps: segments after them that are not there, though later ones are, or were.   covered: how far they
    go without a gap; None where it is not known."""

    names: list[str]
    gaps: list[str]
    covered: Covered | None

    def told(self) -> str:
        more = f" and {len(self.gaps) - 5} more" if len(self.gaps) > 5 else ""
        return f"The WAL in the store has a gap: {', '.join(self.gaps[:5])}{more} is missing."


class Archive:
    """Of one cluster. segment_bytes: size of its segments."""

    def __init__(self, place: Place, server: str, segment_bytes: int) -> None:
        self.place = place
        self.server = server
        self.segment_bytes = segment_bytes

    async def put(self, name: str, content: bytes) -> None:
        """A segment is sealed without the zeros at its end: of a partial one that is most."""
        await put_sealed(self.place, self.path(name), content.rstrip(b"\0"))

    async def get(self, name: str) -> bytes:
        """As PostgreSQL wants it; of a segment that is partial, what there is. Raises Missing, Damaged, WrongKey, StoreFailed."""
        content = await get_sealed(self.place, self.path(name))
        return content.ljust(self.segment_bytes, b"\0") if SEGMENT.match(name) else content

    async def names(self) -> set[str]:
        return {stored.path.rsplit("/", 1)[-1] async for stored in self.place.store.below(f"{FOLDER}/{self.server}")}

    async def cover(self, covered: Covered) -> None:
        await put_sealed(self.place, self.path(COVERED), msgspec.json.encode(covered))

    async def covered(self) -> Covered | None:
        """None when nothing was ever streamed, or when that cannot be read."""
        try:
            return msgspec.json.decode(await get_sealed(self.place, self.path(COVERED)), type=Covered)
        except (Missing, Damaged):
            return None

    async def forget(self, names: Collection[str]) -> None:
        await self.place.store.delete([self.path(name) for name in names])

    async def row(self, first: str, last: str, timeline: int | None = None) -> Row:
        """What a restore can use, as far as it goes without a gap.

        first, last: segments that the base backup brings along itself.   timeline: the one that is followed; None means the newest.
        """
        # Before the names: what it tells of was in the store by then.
        covered = await self.covered()
        names = await self.names()
        timelines = [timeline_of(name) for name in names if name != COVERED]
        if covered is not None and covered.timeline != (timeline or max(timelines, default=covered.timeline)):
            covered = None
        least = 0 if covered is None else (position_of(covered.position) - 1) // self.segment_bytes
        gaps = missing(names, last, self.segment_bytes, least)
        end = number_of(gaps[0], self.segment_bytes) if gaps else LAST
        begin = number_of(first, self.segment_bytes)
        segments = [name for name in names if SEGMENT.match(name) and begin <= number_of(name, self.segment_bytes) < end]
        useful = [name for name in segments if name[:8] >= first[:8] and is_best(name, names)]
        return Row(sorted([*filter(HISTORY.fullmatch, names), *useful]), gaps, covered)

    def path(self, name: str) -> str:
        return f"{FOLDER}/{self.server}/{name}"


def is_best(name: str, names: Collection[str]) -> bool:
    return not name.endswith(PARTIAL) or name.removesuffix(PARTIAL) not in names
