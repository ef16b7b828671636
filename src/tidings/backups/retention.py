"""Which backups are kept: generations, as grandfather, father and son.

Of each of the last 24 hours that have one, the newest is kept; likewise of 7 days, 4 weeks and 12 months (TIDINGS_BACKUP_RETENTION). Hours
without a backup do not count, so that nothing is lost by a worker that was away for long. Each kind counts for itself.

Always kept besides: the newest of each kind; the newest that a restore has proven; and whatever failed its proof, as long as it is newer
than the newest proven one, because somebody will want to know why. What failed its proof fills no generation.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from tidings.backups.manifest import Manifest

Generations = Sequence[tuple[str, int]]

PERIODS: dict[str, Callable[[datetime], object]] = {
    "hourly": lambda at: (at.date(), at.hour),
    "daily": lambda at: at.date(),
    "weekly": lambda at: at.isocalendar()[:2],
    "monthly": lambda at: (at.year, at.month),
}


def expendable(manifests: Iterable[Manifest], generations: Generations, now: datetime) -> list[Manifest]:
    """What may be deleted, the oldest first. now: nothing that says it was made later is touched: then a clock is wrong."""
    known = sorted(manifests, key=lambda manifest: manifest.made_at, reverse=True)
    kept = {
        manifest.id for kind in ("logical", "physical") for manifest in kept_of([one for one in known if one.kind == kind], generations)
    }
    return [manifest for manifest in reversed(known) if manifest.id not in kept and manifest.made_at <= now]


def kept_of(newest_first: Sequence[Manifest], generations: Generations) -> list[Manifest]:
    """Of one kind."""
    good = [manifest for manifest in newest_first if manifest.state != "failed"]
    proven = next((place for place, manifest in enumerate(newest_first) if manifest.state == "verified"), len(newest_first))
    kept = [*newest_first[:1], *newest_first[proven : proven + 1], *good[:1]]
    kept += [manifest for manifest in newest_first[:proven] if manifest.state == "failed"]
    for name, count in generations:
        kept += newest_of_each(good, PERIODS[name], count)
    return kept


def newest_of_each(newest_first: Sequence[Manifest], period: Callable[[datetime], object], count: int) -> list[Manifest]:
    """Of the last `count` periods that have one."""
    found: dict[object, Manifest] = {}
    for manifest in newest_first:
        found.setdefault(period(manifest.made_at), manifest)
    return list(found.values())[:count]


class NeededWal(NamedTuple):
    """since: the first segment of the time to whose every second a restore can go back.   spans: first and last, of older base backups."""

    since: str | None
    spans: tuple[tuple[str, str], ...]

    def includes(self, segment: str) -> bool:
        """Everything, as long as there is no base backup: one may be under way."""
        return self.since is None or segment >= self.since or any(first <= segment <= last for first, last in self.spans)


def needed_wal(manifests: Iterable[Manifest], generations: Generations) -> NeededWal:
    """manifests: those that are kept. From the oldest base backup of the hourly and daily generations on the WAL is whole; of what is older
    only what makes it consistent is kept: a month-old backup is restored as it was made, not to a second of that month."""
    bases = sorted((manifest for manifest in manifests if manifest.wal is not None), key=lambda manifest: manifest.made_at, reverse=True)
    recent = kept_of(bases, [(name, count) for name, count in generations if name in ("hourly", "daily")])
    wals = [manifest.wal for manifest in bases if manifest.wal is not None]
    since = min((manifest.wal.first for manifest in recent if manifest.wal is not None), default=None)
    return NeededWal(since, tuple((wal.first, wal.last) for wal in wals))
