"""Which coding is chosen: RFC 9110 §12.5.3, case by case."""

import pytest

from tidings.browser.encodings import best_encoding

ALL = {"identity", "gzip", "br"}


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("", "identity"),
        ("gzip, deflate, br, zstd", "br"),
        ("gzip, deflate", "gzip"),
        ("x-gzip", "gzip"),
        ("deflate", "identity"),
        ("BR;Q=0.5, gzip ; q = 0.8", "gzip"),
        ("gzip;q=0.001", "gzip"),
        ("gzip;q=0.5, identity", "identity"),
        ("br;q=0, *", "gzip"),
        ("br;q=0, gzip;q=0", "identity"),
        ("*;q=0, gzip;q=0.1", "gzip"),
        ("identity;q=0", "identity"),
        ("*;q=0", "identity"),
        ("gzip;q=1.5", "identity"),
        ("gzip;q=", "identity"),
        ("gzip;q=nan, br;level=3", "identity"),
        (",,;=,", "identity"),
    ],
)
def test_the_one_liked_best_and_of_equals_the_smallest(accepted: str, encoding: str) -> None:
    assert best_encoding(accepted, ALL) == encoding


def test_a_file_without_codings_is_sent_plainly() -> None:
    assert best_encoding("br, gzip, identity;q=0.1", {"identity"}) == "identity"
