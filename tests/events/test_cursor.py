"""Cursors: what one looks like, and what is none."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.errors import Malformed
from tidings.events.cursor import SHAPE, Cursor, new_epoch, parse_cursor


@given(position=st.integers(0, 10**18 - 1))
def test_a_cursor_reads_back_as_itself(position: int) -> None:
    cursor = Cursor(new_epoch(), position)
    assert parse_cursor(str(cursor)) == cursor


@given(text=st.text(max_size=40).filter(lambda text: not re.fullmatch(SHAPE, text)))
def test_anything_else_is_refused_with_the_shape_it_should_have(text: str) -> None:
    with pytest.raises(Malformed, match="A cursor looks like"):
        parse_cursor(text)
