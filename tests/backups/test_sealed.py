"""The sealed format: what is changed, cut, swapped or sealed by another key does not open, and says so."""

import os
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.backups.errors import Damaged, WrongKey
from tidings.backups.sealed import CHUNK_BYTES, HEADER_BYTES, TAG_BYTES, Opener, Sealer
from tidings.vault.ring import Ring

KEY, OTHER = bytes(32), bytes(range(32))
SEALED_CHUNK = CHUNK_BYTES + TAG_BYTES
MANY = 64


def sealed(*pieces: bytes, keys: Ring | None = None, name: str = "b/dump") -> bytes:
    sealer = Sealer(keys or Ring([KEY]), name)
    return b"".join(sealer.feed(piece) for piece in pieces) + sealer.end()


def opened(data: bytes, *, keys: Ring | None = None, name: str = "b/dump", at_once: int = 100_000) -> bytes:
    opener = Opener(keys or Ring([KEY]), name)
    pieces = [piece for start in range(0, len(data), at_once) for piece in opener.feed(data[start : start + at_once])]
    return b"".join([*pieces, *opener.end()])


@given(st.lists(st.binary(max_size=2000), max_size=10), st.integers(1, 3000))
def test_what_was_sealed_opens_however_it_is_cut_into_pieces(pieces: list[bytes], at_once: int) -> None:
    assert opened(sealed(*pieces), at_once=at_once) == b"".join(pieces)


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 40, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, 3 * CHUNK_BYTES + 7])
def test_what_cannot_be_compressed_opens_around_the_edges_of_chunks(size: int) -> None:
    plain = os.urandom(size)
    assert opened(sealed(plain)) == plain


@given(st.data())
def test_one_flipped_bit_anywhere_is_found(data: st.DataObject) -> None:
    whole = bytearray(sealed(b"a little secret" * 10))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= 1 << data.draw(st.integers(0, 7))
    # In the id of the key it is a key that nobody has.
    with pytest.raises((Damaged, WrongKey), match="b/dump"):
        opened(bytes(whole))


@pytest.mark.parametrize("length", [0, HEADER_BYTES - 1, HEADER_BYTES, HEADER_BYTES + SEALED_CHUNK, HEADER_BYTES + 2 * SEALED_CHUNK, -1])
def test_what_was_cut_off_is_found_also_between_two_chunks(length: int) -> None:
    whole = sealed(os.urandom(2 * CHUNK_BYTES + 1000))
    with pytest.raises(Damaged):
        opened(whole[:length])


def test_chunks_that_changed_places_are_found() -> None:
    whole = sealed(os.urandom(3 * CHUNK_BYTES))
    header, rest = whole[:HEADER_BYTES], whole[HEADER_BYTES:]
    with pytest.raises(Damaged, match="chunk 0"):
        opened(header + rest[SEALED_CHUNK : 2 * SEALED_CHUNK] + rest[:SEALED_CHUNK] + rest[2 * SEALED_CHUNK :])


def test_an_artefact_in_the_place_of_another_is_found() -> None:
    with pytest.raises(Damaged, match="yesterday/dump"):
        opened(sealed(b"of today", name="today/dump"), name="yesterday/dump")


def test_the_wrong_key_is_named_and_so_is_the_one_that_is_wanted() -> None:
    wanted, there = Ring([KEY]).newest, Ring([OTHER]).newest
    with pytest.raises(WrongKey, match=f"{wanted}.*{there}"):
        opened(sealed(b"x"), keys=Ring([OTHER]))


def test_after_a_rotation_the_old_key_still_opens_and_the_new_one_seals() -> None:
    before, after = Ring([KEY]), Ring([OTHER, KEY])
    assert opened(sealed(b"old", keys=before), keys=after) == b"old"
    with pytest.raises(WrongKey):
        opened(sealed(b"new", keys=after), keys=before)


def test_zeros_that_were_compressed_ten_thousandfold_come_back_in_bounded_memory() -> None:
    zeros = bytes(4 * CHUNK_BYTES)
    whole = sealed(*[zeros] * MANY)
    assert len(whole) < MANY * len(zeros) / 1000
    opener, size = Opener(Ring([KEY]), "b/dump"), 0
    tracemalloc.start()
    for pieces in (opener.feed(whole), opener.end()):
        for piece in pieces:
            size += len(piece)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size == MANY * len(zeros)
    assert peak < 80 * 1024 * 1024
