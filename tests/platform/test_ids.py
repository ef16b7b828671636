"""Notification ids rise, whatever the clock does."""

from itertools import pairwise
from uuid import UUID

from tidings.platform.ids import rise_above, tick_of, uuid7


def test_ids_rise_within_a_process() -> None:
    ids = [uuid7() for _ in range(5000)]
    assert all(first < second for first, second in pairwise(ids))
    assert {one.version for one in ids} == {7}


def test_ids_rise_above_what_was_given_by_a_clock_that_ran_ahead() -> None:
    ahead = UUID(int=((tick_of(uuid7()) + 5_000_000) >> 12) << 80 | 7 << 76 | 2 << 62)
    rise_above(ahead)
    assert uuid7() > ahead
