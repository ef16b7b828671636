"""How much of a lane may go: rate, breaker, health. A clock is an argument."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from tidings.deliveries.lanes.allowance import DueLane, allowance, slot_after
from tidings.deliveries.lanes.breaker import LEAST_ATTEMPTS, opens_until, tell
from tidings.deliveries.lanes.health import due_warning, note, way_to_disabled
from tidings.deliveries.lanes.lane import BEGINNING, Lane
from tidings.deliveries.ledger.dispatch import shared

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def lane(**more: object) -> DueLane:
    known = {
        "destination": 1,
        "project": 1,
        "at_once": 20,
        "rate": None,
        "next_slot": BEGINNING,
        "breaker": "closed",
        "opened_at": None,
        "openings": 0,
        "out": 0,
    }
    return DueLane(**(known | more))  # type: ignore[arg-type]


def test_no_more_go_at_once_than_the_endpoint_allows() -> None:
    assert allowance(lane(out=15), 1000, NOW).most == 5
    assert allowance(lane(out=25), 1000, NOW).most == 0


def test_no_more_go_than_its_share_of_what_is_free() -> None:
    assert allowance(lane(), 3, NOW).most == 3


def test_a_project_gets_no_more_than_leaves_as_much_free_as_it_has_out() -> None:
    def most(lanes: list[DueLane], **out: int) -> list[int]:
        by_project = Counter({int(name[1:]): count for name, count in out.items()})
        return [one.most for one in shared(lanes, by_project, 1000, NOW)]

    flood = [lane(destination=number, at_once=200) for number in range(5)]
    other = lane(destination=9, project=2, at_once=200)
    assert most(flood) == [100] * 5
    assert most([*flood, other]) == [100] * 5 + [200]
    assert most([*flood, other], p1=400) == [20] * 5 + [200]
    # Half of all is out.
    assert most([*flood, other], p1=500) == [0] * 5 + [200]
    assert most([*flood, other], p1=500, p2=249) == [0] * 5 + [1]
    assert most([*flood, other], p1=500, p3=500) == [0] * 6


@pytest.mark.parametrize("rate", [1.0, 7.0, 100.0, 2000.0])
def test_a_rate_is_kept_within_one_per_cent_whenever_one_looks(rate: float) -> None:
    at, next_slot, went = NOW, BEGINNING, 0
    # Looks as uneven as a busy machine makes them.
    for step in range(2000):
        due = lane(rate=rate, next_slot=next_slot, at_once=10_000)
        most = allowance(due, 10_000, at).most
        next_slot, went = slot_after(due, most, at), went + most
        at += timedelta(milliseconds=1 + step % 9)
    seconds = (at - NOW).total_seconds()
    assert seconds == pytest.approx(10, abs=0.1)
    assert rate * seconds * 0.99 - 1 <= went <= rate * seconds * 1.01 + 1


def test_a_receiver_that_has_too_much_to_do_gets_nothing_until_its_pause_is_over() -> None:
    later = NOW + timedelta(seconds=2)
    assert allowance(lane(next_slot=later), 1000, NOW).most == 0
    assert allowance(lane(next_slot=later), 1000, NOW).again_at == later
    assert allowance(lane(next_slot=later), 1000, later).most == 20


def test_an_open_breaker_lets_nothing_through_and_then_a_single_probe() -> None:
    opened = lane(breaker="open", opened_at=NOW, openings=1)
    assert allowance(opened, 1000, NOW + timedelta(seconds=14)).most == 0
    assert allowance(opened, 1000, NOW + timedelta(seconds=15)).most == 1
    assert allowance(lane(breaker="half_open", out=1), 1000, NOW).most == 0
    assert allowance(lane(breaker="half_open"), 1000, NOW).most == 1


def told(outcomes: str, now: datetime = NOW, known: Lane | None = None) -> Lane:
    """outcomes: `+` and `-`, in their order."""
    known = known or Lane(destination=1, project=1)
    tell(known, [outcome == "+" for outcome in outcomes], now)
    return known


def test_a_breaker_opens_when_half_of_enough_attempts_failed() -> None:
    assert told("-" * (LEAST_ATTEMPTS - 1)).breaker == "closed"
    assert told("-" * LEAST_ATTEMPTS).breaker == "open"
    assert told("+-" * LEAST_ATTEMPTS).breaker == "open"
    assert told("+++-" * LEAST_ATTEMPTS).breaker == "closed"


def test_old_failures_are_forgotten() -> None:
    known = told("-" * (LEAST_ATTEMPTS - 1))
    told("-", NOW + timedelta(minutes=2), known)
    assert (known.breaker, known.bad, known.bad_before) == ("closed", 1, 0)


def test_failures_count_on_into_the_next_half_of_the_window() -> None:
    known = told("-" * (LEAST_ATTEMPTS - 1))
    told("-", NOW + timedelta(seconds=31), known)
    assert known.breaker == "open"


def test_a_probe_that_goes_well_closes_it_and_one_that_fails_opens_it_for_twice_as_long() -> None:
    known = told("-" * LEAST_ATTEMPTS)
    assert opens_until(NOW, known.openings) == NOW + timedelta(seconds=15)
    known.breaker = "half_open"
    told("-", NOW + timedelta(seconds=20), known)
    assert (known.breaker, known.openings) == ("open", 2)
    assert opens_until(NOW, 2) == NOW + timedelta(seconds=30)
    assert opens_until(NOW, 99) == NOW + timedelta(minutes=10)
    known.breaker = "half_open"
    told("+", NOW + timedelta(seconds=60), known)
    assert (known.breaker, known.openings, known.opened_at) == ("closed", 0, None)


def test_what_began_before_it_opened_and_fails_after_it_changes_nothing() -> None:
    known = told("-" * LEAST_ATTEMPTS)
    told("---", NOW + timedelta(seconds=1), known)
    assert (known.breaker, known.openings, known.opened_at) == ("open", 1, NOW)


def test_what_began_before_it_opened_and_goes_well_lets_a_probe_go_when_all_of_it_has_ended() -> None:
    known = told("-" * LEAST_ATTEMPTS)
    told("-+-+-", NOW + timedelta(seconds=1), known)
    assert (known.breaker, known.openings) == ("open", 1)
    opened = lane(breaker="open", opened_at=known.opened_at, openings=1)
    assert allowance(msgspec.structs.replace(opened, out=1), 1000, NOW + timedelta(seconds=1)).most == 0
    assert allowance(opened, 1000, NOW + timedelta(seconds=1)).most == 1


def test_an_endpoint_is_given_up_after_both_long_enough_and_often_enough() -> None:
    known = Lane(destination=1, project=1)
    for _ in range(500):
        note(known, "retry", NOW)
    assert way_to_disabled(known, NOW + timedelta(hours=1)) == 0
    assert way_to_disabled(known, NOW + timedelta(days=5)) == 100
    rare = Lane(destination=1, project=1)
    for day in range(6):
        note(rare, "retry", NOW + timedelta(days=day))
    assert way_to_disabled(rare, NOW + timedelta(days=6)) == 12


def test_warnings_come_once_each_on_the_way_and_a_success_begins_anew() -> None:
    known = Lane(destination=1, project=1)
    for _ in range(100):
        note(known, "retry", NOW)
    warned = []
    for hour in range(121):
        percent = due_warning(known, NOW + timedelta(hours=hour))
        if percent is not None:
            known.warned = percent
            warned.append((hour, percent))
    assert warned == [(60, 50), (84, 70), (108, 90)]
    note(known, "delivered", NOW)
    assert (known.failing_since, known.failures, known.warned) == (None, 0, 0)
