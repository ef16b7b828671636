"""What a scenario's listeners check: each line without a hole, in order, and nothing twice."""

import pytest

from loadtests.scenarios.lines import Device, Line

NAME = "r/0/alice"


def device(accepted: int, sent: int | None = None) -> Device:
    return Device("alice", {NAME: Line(NAME, sent=accepted if sent is None else sent, accepted=accepted)})


def after(*numbers: int, accepted: int = 5) -> Device:
    """A device that got these, each at the next position."""
    alice = device(accepted)
    for position, number in enumerate(numbers, 1):
        alice.take(f"e.{position}", NAME, number)
    return alice


def counted(alice: Device) -> tuple[int, int, int, int]:
    return alice.missing(), alice.duplicates, alice.out_of_order, alice.strays


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ((1, 2, 3, 4, 5), (0, 0, 0, 0)),
        ((), (5, 0, 0, 0)),
        ((1, 2, 4, 5), (1, 0, 0, 0)),
        ((1, 2, 3), (2, 0, 0, 0)),
        ((1, 2, 2, 3, 4, 5), (0, 1, 0, 0)),
        ((1, 3, 2, 4, 5), (0, 0, 1, 0)),
        ((1, 2, 3, 4, 5, 6), (0, 0, 0, 1)),
    ],
)
def test_holes_repeats_swaps_and_what_nobody_sent_are_counted(numbers: tuple[int, ...], expected: tuple[int, ...]) -> None:
    assert counted(after(*numbers)) == expected


def test_a_line_of_somebody_else_is_a_stray() -> None:
    alice = device(1)
    alice.take("e.1", "r/0/bob", 1)

    assert counted(alice) == (1, 0, 0, 1)
    assert alice.told == ["alice: r/0/bob/1 at e.1 is not for it"]


def test_what_was_not_answered_yet_may_be_there_and_may_not() -> None:
    alice = device(accepted=1, sent=2)
    alice.take("e.1", NAME, 1)
    assert counted(alice) == (0, 0, 0, 0)

    alice.take("e.2", NAME, 2)
    assert counted(alice) == (0, 0, 0, 0)


@pytest.mark.parametrize("cursor", ["e.7", "e.6", "f.8"])
def test_a_cursor_must_rise_within_its_epoch(cursor: str) -> None:
    alice = device(2)
    alice.take("e.7", NAME, 1)
    alice.take(cursor, NAME, 2)

    assert alice.out_of_order == 1


def test_after_a_reset_the_inbox_counts_and_the_stream_may_bring_it_once_more() -> None:
    alice = device(5)
    alice.take("e.7", NAME, 1)
    alice.reset(None)
    for number in (4, 3, 2, 1):
        alice.snapshot(NAME, number)
    assert counted(alice) == (1, 0, 0, 0)

    for position, number in ((2, 3), (3, 4), (4, 5)):
        alice.take(f"f.{position}", NAME, number)
    assert counted(alice) == (0, 0, 0, 0)

    alice.take("f.5", NAME, 3)
    assert alice.duplicates == 1


def test_what_the_inbox_lacks_after_a_reset_is_lost() -> None:
    alice = device(3)
    alice.reset(None)
    for number in (3, 1):
        alice.snapshot(NAME, number)

    assert counted(alice) == (1, 0, 0, 0)
