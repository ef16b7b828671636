"""From a base backup and the WAL in the store to a data folder as of a moment: the end, a time, or a position of the log."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import msgspec

from tidings.backups.archive import Archive, Covered, Row
from tidings.backups.artefacts import no_room
from tidings.backups.cluster import Cluster, RecoveryEnded, started
from tidings.backups.drafts import Place
from tidings.backups.errors import Damaged, Missing, WalBroken
from tidings.backups.manifest import Manifest
from tidings.backups.physical import ARTEFACT
from tidings.backups.segments import PARTIAL, SEGMENT, number_of, position_of
from tidings.backups.unpacking import give_to_runner, make_folder, refuse_if_too_small, unpack
from tidings.platform.ending import end_tasks

FETCHED_AT_ONCE = 4
# One of them at most may be set; ALTER SYSTEM may have left another.
TARGETS = ("recovery_target", "recovery_target_name", "recovery_target_xid", "recovery_target_time", "recovery_target_lsn")
# What it is recovered to takes some more than what was copied.
GROWS = 1.2


class Moment(msgspec.Struct, frozen=True):
    """Up to where: one of these, or the end of what is in the store. position: as in "0/3000028".   timeline: None means the newest."""

    time: datetime | None = None
    position: str | None = None
    timeline: int | None = None

    @property
    def is_end(self) -> bool:
        return self.time is None and self.position is None

    def options(self) -> dict[str, str]:
        """Of PostgreSQL, in this order: it calls two targets too many, also when the second is an empty one."""
        wanted = {}
        if self.time is not None:
            wanted["recovery_target_time"] = f"{self.time.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f+00}"
        if self.position is not None:
            wanted["recovery_target_lsn"] = self.position
        timeline = "latest" if self.timeline is None else str(self.timeline)
        others = {target: "" for target in TARGETS if target not in wanted}
        return others | {"recovery_target_action": "promote", "recovery_target_timeline": timeline} | wanted


THE_END = Moment()
# In words, and how far: done and all, in whatever that step counts.
Tell = Callable[[str, int, int], None]


class Recovery:
    """folder: empty, of the user who runs the server; the cluster comes to lie in `folder/data`."""

    def __init__(self, place: Place, manifest: Manifest, folder: Path, programs: Path, tell: Tell) -> None:
        assert manifest.wal is not None
        self.place = place
        self.manifest = manifest
        self.wal = manifest.wal
        self.archive = Archive(place, manifest.origin.server, manifest.wal.segment_bytes)
        self.folder = folder
        self.programs = programs
        self.tell = tell

    @property
    def data(self) -> Path:
        return self.folder / "data"

    async def fetch(self, moment: Moment) -> Row:
        """Bring the base backup and its WAL here. Raises WalBroken, naming it, when a segment is missing that is needed for certain."""
        row, artefact = await self.row(moment), self.manifest.artefact(ARTEFACT)
        needed = int(artefact.plain_size * GROWS) + len(row.names) * self.wal.segment_bytes
        refuse_if_too_small(self.folder, self.manifest, needed)
        await unpack(self.place, self.manifest, artefact, self.data, lambda done: self.tell("unpacking", done, artefact.plain_size))
        # Again: while it was unpacked, for minutes, the segment that grows became whole and others followed.
        row = await self.row(moment)
        await self.fetch_wal(row)
        return row

    async def row(self, moment: Moment) -> Row:
        """Raises WalBroken when it has a gap, and all of it is wanted."""
        row = await self.archive.row(self.wal.first, self.wal.last, moment.timeline)
        if row.gaps:
            # Again: one that becomes whole while they are listed may be seen by neither of its names.
            row = await self.archive.row(self.wal.first, self.wal.last, moment.timeline)
        if row.gaps and moment.is_end:
            raise WalBroken(f"{row.told()} A restore to a moment before it is possible (--to).")
        if moment.position == self.wal.end:
            # Its own end, with years of WAL after it perhaps.
            size, last = self.wal.segment_bytes, number_of(self.wal.last, self.wal.segment_bytes)
            return row._replace(names=[name for name in row.names if not SEGMENT.match(name) or number_of(name, size) <= last])
        return row

    async def fetch_wal(self, row: Row) -> None:
        """What the base backup brings along is needed only where nothing was streamed."""
        folder = self.folder / "wal"
        make_folder(folder)
        waiting, done = list(reversed(row.names)), 0

        async def fetch_some() -> None:
            nonlocal done
            while waiting:
                name = waiting.pop()
                path = folder / name.removesuffix(PARTIAL)
                with no_room(folder):
                    await asyncio.to_thread(path.write_bytes, await self.get(name))
                give_to_runner(path)
                done += 1
                self.tell("fetching WAL", done, len(row.names))

        tasks = [asyncio.create_task(fetch_some()) for _ in range(FETCHED_AT_ONCE)]
        try:
            await asyncio.gather(*tasks)
        finally:
            await end_tasks(tasks)

    async def get(self, name: str) -> bytes:
        """Raises WalBroken."""
        try:
            return await self.archive.get(name)
        except (Missing, Damaged) as error:
            if isinstance(error, Missing) and name.endswith(PARTIAL):
                # It became whole since it was listed.
                return await self.get(name.removesuffix(PARTIAL))
            raise WalBroken(error.detail) from error

    @asynccontextmanager
    async def recovered(self, moment: Moment, row: Row, options: Mapping[str, str] = {}) -> AsyncIterator[Cluster]:
        """The cluster as of the moment, open for those who know its socket. Raises Missing or WalBroken when the WAL goes not that far."""
        try:
            async with self.opened(moment, options) as cluster:
                if moment.is_end and row.covered is not None:
                    refuse_unless_replayed(await self.replayed(cluster), row.covered, self.wal.segment_bytes)
                yield cluster
                return
        except RecoveryEnded as error:
            await self.refuse_unless_covered(moment, row, error)
        # Nothing was written between the end of the WAL and that moment.
        async with self.opened(Moment(timeline=moment.timeline), options) as cluster:
            yield cluster

    @asynccontextmanager
    async def opened(self, moment: Moment, options: Mapping[str, str]) -> AsyncIterator[Cluster]:
        ask_for_recovery(self.data)
        every = moment.options() | {"restore_command": f'cp "{self.folder}/wal/%f" "%p"'} | dict(options)
        async with started(self.programs, self.data, every) as cluster:
            await cluster.until_open(self.wal.superuser, lambda done: self.tell("replaying WAL", done, 0))
            yield cluster

    async def replayed(self, cluster: Cluster) -> str:
        """The position up to which it recovered."""
        connection = await asyncpg.connect(cluster.url(self.wal.superuser, "postgres"), timeout=10)
        try:
            position: str = await connection.fetchval("SELECT pg_last_wal_replay_lsn()::text")
            return position
        finally:
            connection.terminate()

    async def refuse_unless_covered(self, moment: Moment, row: Row, error: RecoveryEnded) -> None:
        """Raises Missing or WalBroken unless the WAL is known to be whole up to that moment, in which nothing happened any more."""
        if row.gaps:
            raise WalBroken(f"{row.told()} What is before it does not reach that moment.") from error
        covered = row.covered
        if covered is None:
            raise Missing("No WAL was streamed on that timeline after this backup; it goes to its own end only, without --to.") from error
        is_within = covered.at >= moment.time if moment.time else position_of(covered.position) >= position_of(moment.position or "0/0")
        if not is_within:
            raise Missing(
                f"The WAL in the store goes up to {covered.at:%Y-%m-%dT%H:%M:%SZ} ({covered.position}), not to that moment."
            ) from error


def refuse_unless_replayed(position: str, covered: Covered, segment_bytes: int) -> None:
    """A record that cannot be read ends recovery as the end of the WAL does, and is told by nobody. Raises WalBroken.

    Within a segment: what was covered may end in the middle of a record, or with a segment that was closed early.
    """
    if position_of(position) < position_of(covered.position) - segment_bytes:
        raise WalBroken(f"Recovery ended at {position}; the WAL in the store goes up to {covered.position}. Restore to a moment (--to).")


def ask_for_recovery(data: Path) -> None:
    signal = data / "recovery.signal"
    signal.touch()
    give_to_runner(signal)


def choose(known: list[Manifest], moment: Moment) -> Manifest:
    """The newest base backup from which the moment can be reached. Raises Missing."""
    fitting = [manifest for manifest in known if manifest.kind == "physical" and reaches(manifest, moment)]
    if not fitting:
        raise Missing(
            "No base backup in the store was made before that moment." if not moment.is_end else "There is no base backup in the store."
        )
    return max(fitting, key=lambda manifest: manifest.made_at)


def reaches(manifest: Manifest, moment: Moment) -> bool:
    if manifest.wal is None:
        raise Damaged(f"{manifest.id} says nothing of its WAL.")
    if moment.time is not None:
        return manifest.made_at <= moment.time
    return moment.position is None or position_of(manifest.wal.end) <= position_of(moment.position)
