"""Notification ids rise, whatever the clock does."""

from itertools import pairwise
from uuid import RFC_4122, UUID

from tidings.platform.ids import rise_above, tick_of, uuid7, uuid7_texts


def test_ids_rise_within_a_process() -> None:
    ids = [uuid7() for _ in range(5000)]
    assert all(first < second for first, second in pairwise(ids))
    assert {one.version for one in ids} == {7}


def test_many_at_once_are_ids_like_the_others() -> None:
    before = uuid7()
    texts = uuid7_texts(5000)
    assert texts == sorted(texts) == [str(UUID(text)) for text in texts]
    assert {(UUID(text).version, UUID(text).variant) for text in texts} == {(7, RFC_4122)}
    assert before < UUID(texts[0]) < UUID(texts[-1]) < uuid7()
    assert len({text[19:] for text in texts}) == 5000


def test_ids_rise_above_what_was_given_by_a_clock_that_ran_ahead() -> None:
    ahead = UUID(int=((tick_of(uuid7()) + 5_000_000) >> 12) << 80 | 7 << 76 | 2 << 62)
    rise_above(ahead)
    assert uuid7() > ahead
