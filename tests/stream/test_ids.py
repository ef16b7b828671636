"""Stream ids."""

import base64

from hypothesis import given
from hypothesis import strategies as st

from tidings.stream.ids import base32


@given(st.integers(0, 4).flatmap(lambda fives: st.binary(min_size=5 * fives, max_size=5 * fives)))
def test_base32_is_that_of_the_standard_library(data: bytes) -> None:
    assert base32(data) == base64.b32encode(data).decode().lower()
