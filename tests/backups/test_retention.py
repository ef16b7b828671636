"""Which backups are kept: a rule over manifests and a clock."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.backups.manifest import Content, Kind, Manifest, Origin, State, Wal
from tidings.backups.retention import expendable, needed_wal
from tidings.errors import Misconfigured
from tidings.settings import Settings, load_settings

NOW = datetime(2026, 11, 28, 12, 30, tzinfo=UTC)
STANDARD = Settings().backup_retention
AGES = st.timedeltas(timedelta(0), timedelta(days=900))
ORIGIN, NOTHING = Origin("0.1.0", "m", "18.6", "1", 1), Content({}, {})


def made(age: timedelta, state: State = "made", kind: Kind = "logical", wal: str | None = None) -> Manifest:
    at = NOW - age
    needed = None if wal is None else Wal("0/1", "0/2", wal, wal, 16 * 1024 * 1024, "postgres", "tidings", "tidings")
    return Manifest(
        id=f"{kind}-{age}-{state}",
        kind=kind,
        state=state,
        began_at=at,
        made_at=at,
        origin=ORIGIN,
        content=NOTHING,
        artefacts=(),
        wal=needed,
    )


def kept(manifests: Sequence[Manifest], generations: Sequence[tuple[str, int]] = STANDARD, now: datetime = NOW) -> list[timedelta]:
    gone = {manifest.id for manifest in expendable(manifests, generations, now)}
    return sorted(NOW - manifest.made_at for manifest in manifests if manifest.id not in gone)


def test_a_year_of_hourly_backups_becomes_its_generations() -> None:
    hourly = [made(timedelta(hours=hours)) for hours in range(366 * 24)]
    last_of_days = [datetime(2026, 11, day, 23, 30, tzinfo=UTC) for day in (26, 25, 24, 23, 22)]
    last_of_weeks = [datetime(2026, 11, day, 23, 30, tzinfo=UTC) for day in (15, 8)]
    last_of_months = [datetime(2026, month, 1, tzinfo=UTC) - timedelta(minutes=30) for month in range(11, 0, -1)]
    expected = {timedelta(hours=hours) for hours in range(24)} | {NOW - at for at in last_of_days + last_of_weeks + last_of_months}
    assert kept(hourly) == sorted(expected)


def test_hours_without_a_backup_do_not_count() -> None:
    rare = [made(timedelta(days=days)) for days in (0, 100, 200, 300)]
    assert kept(rare) == [timedelta(days=days) for days in (0, 100, 200, 300)]


@given(
    st.lists(
        st.builds(made, AGES, st.sampled_from(["made", "verified", "failed"]), st.sampled_from(["logical", "physical"])),
        max_size=60,
        unique_by=lambda manifest: manifest.id,
    ),
    st.lists(st.tuples(st.sampled_from(["hourly", "daily", "weekly", "monthly"]), st.integers(0, 5)), max_size=4),
)
def test_the_newest_and_the_newest_that_was_proven_are_never_deleted(manifests: list[Manifest], generations: list[tuple[str, int]]) -> None:
    gone = {manifest.id for manifest in expendable(manifests, generations, NOW)}
    for kind in ("logical", "physical"):
        of_kind = sorted((one for one in manifests if one.kind == kind), key=lambda one: one.made_at)
        proven = [one for one in of_kind if one.state == "verified"]
        good = [one for one in of_kind if one.state != "failed"]
        for group in (of_kind, proven, good):
            # Of two of the same moment, one.
            assert not group or any(one.id not in gone for one in group if one.made_at == group[-1].made_at)


def test_what_failed_its_proof_is_kept_until_a_newer_one_is_proven_and_fills_no_generation() -> None:
    failed, older = made(timedelta(hours=1), "failed"), made(timedelta(hours=30), "verified")
    only_newest = [("hourly", 1)]
    assert kept([made(timedelta(0)), failed, older], only_newest) == [timedelta(0), timedelta(hours=1), timedelta(hours=30)]
    assert kept([made(timedelta(0), "verified"), failed, older], only_newest) == [timedelta(0)]


def test_what_was_made_later_than_now_is_not_touched() -> None:
    future = [made(-timedelta(days=days)) for days in (1, 2, 3)]
    assert len(kept(future, [("hourly", 0)])) == 3


def test_the_wal_is_whole_for_the_last_days_and_kept_in_pieces_for_older_base_backups() -> None:
    bases = [made(timedelta(days=day), kind="physical", wal=f"{100 - day:024X}") for day in (0, 1, 2, 60)]
    needed = needed_wal(bases, [("daily", 3), ("monthly", 2)])
    assert needed.since == f"{98:024X}"
    assert [needed.includes(f"{segment:024X}") for segment in (39, 40, 41, 97, 98, 99, 100, 101)] == [
        False, True, False, False, True, True, True, True,
    ]  # fmt: skip


def test_without_a_base_backup_no_wal_is_let_go() -> None:
    assert needed_wal([made(timedelta(0))], STANDARD).includes("0" * 24)


@pytest.mark.parametrize("wrong", ["hourly", "hourly=x", "yearly=3", "hourly=-1", " "])
def test_a_retention_that_cannot_be_read_is_refused(wrong: str) -> None:
    with pytest.raises(Misconfigured, match="TIDINGS_BACKUP_RETENTION"):
        load_settings({"TIDINGS_BACKUP_RETENTION": wrong})
