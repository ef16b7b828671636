"""The collector, told to spare what lives, still takes what does not."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from tidings.platform.garbage import YOUNG, spare_what_lives


class Ring:
    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def test_what_lives_is_walked_no_more_and_new_rings_still_are() -> None:
    before = Ring()
    spare_what_lives()
    assert gc.get_freeze_count() > 1000
    assert all(one is not before for one in gc.get_objects())

    gone = weakref.ref(Ring())
    kept = [[] for _ in range(2 * YOUNG)]  # type: list[list[int]]
    assert gone() is None
    assert len(kept) == 2 * YOUNG
