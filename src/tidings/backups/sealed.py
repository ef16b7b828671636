"""How an artefact is sealed: compressed (zstd), then encrypted (AES-256-GCM) in chunks, as a stream in bounded memory.

    header   "TDBK" · format (1 byte) · id of the backup key (8) · nonce (12) · data key, wrapped by it (32 + tag 16)
    chunk    1 MiB of the compressed stream, encrypted, and its tag (16); the last may be shorter
    …

A chunk's nonce is its number (11 bytes) and whether it is the last (1 byte), as in STREAM (Hoang, Reyhanitabar, Rogaway and Vizár 2015): so
chunks that are missing, swapped, repeated or cut off at the end do not open. The data key is random for each artefact and therefore never
meets a nonce twice; its wrapping is bound to the artefact's name (`BACKUP/NAME`), so that one is not taken for another.
"""

import hashlib
import os
from collections.abc import Iterator

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tidings.backups.errors import Damaged, WrongKey
from tidings.vault.envelope import bound_to, new_key
from tidings.vault.ring import Ring

MAGIC, FORMAT = b"TDBK", b"\x01"
KEY_ID_BYTES, NONCE_BYTES, TAG_BYTES = 8, 12, 16
WRAPPED_BYTES = 32 + TAG_BYTES
HEADER_BYTES = len(MAGIC) + len(FORMAT) + KEY_ID_BYTES + NONCE_BYTES + WRAPPED_BYTES
CHUNK_BYTES = 1024 * 1024
# 3 is what pays on two cores: 9 is a tenth smaller and four times slower.
LEVEL = 3
# Of compressed bytes at a time: 4 of them may stand for 128 KiB of zeros, so these for 32 MiB, and a whole chunk for 32 GiB.
SLICE_BYTES = 1024


class Sealer:
    """plain_size, plain_sha256: of what was fed so far."""

    def __init__(self, keys: Ring, name: str) -> None:
        data_key, nonce = new_key(), os.urandom(NONCE_BYTES)
        wrapped = AESGCM(keys.keys[keys.newest]).encrypt(nonce, data_key, belonging(name, keys.newest))
        self.aes = AESGCM(data_key)
        self.ready = bytearray(MAGIC + FORMAT + bytes.fromhex(keys.newest) + nonce + wrapped)
        self.compressor = zstandard.ZstdCompressor(level=LEVEL).compressobj()
        self.waiting = bytearray()
        self.number = 0
        self.plain_size = 0
        self.hash = hashlib.sha256()

    @property
    def plain_sha256(self) -> str:
        return self.hash.hexdigest()

    def feed(self, plain: bytes) -> bytes:
        """What is sealed by now."""
        self.plain_size += len(plain)
        self.hash.update(plain)
        self.waiting += self.compressor.compress(plain)
        # One more byte than a chunk has to be there: the last chunk is never empty, and is sealed as the last.
        while len(self.waiting) > CHUNK_BYTES:
            self.seal(CHUNK_BYTES, is_last=False)
        return self.take()

    def end(self) -> bytes:
        """The rest."""
        self.waiting += self.compressor.flush()
        while len(self.waiting) > CHUNK_BYTES:
            self.seal(CHUNK_BYTES, is_last=False)
        self.seal(len(self.waiting), is_last=True)
        return self.take()

    def seal(self, size: int, *, is_last: bool) -> None:
        self.ready += self.aes.encrypt(nonce_of(self.number, is_last), bytes(self.waiting[:size]), None)
        del self.waiting[:size]
        self.number += 1

    def take(self) -> bytes:
        ready = bytes(self.ready)
        self.ready.clear()
        return ready


class Opener:
    """The way back. name: `BACKUP/NAME`, as it was sealed.

    Raises WrongKey when the key is not among these, Damaged for anything else than the bytes that were sealed. What `feed` gave out was
    authentic; whether it was all, only `end` tells.
    """

    def __init__(self, keys: Ring, name: str) -> None:
        self.keys = keys
        self.name = name
        self.aes: AESGCM | None = None
        self.waiting = bytearray()
        self.number = 0
        self.decompressor = zstandard.ZstdDecompressor().decompressobj()

    def feed(self, sealed: bytes) -> Iterator[bytes]:
        """What can be opened by now, in pieces of a bounded size."""
        self.waiting += sealed
        if self.aes is None and len(self.waiting) >= HEADER_BYTES:
            self.aes = self.read_header()
        if self.aes is not None:
            while len(self.waiting) > CHUNK_BYTES + TAG_BYTES:
                yield from self.open(CHUNK_BYTES + TAG_BYTES, is_last=False)

    def end(self) -> Iterator[bytes]:
        """The last chunk's."""
        if self.aes is None:
            raise Damaged(f"{self.name} is cut short: it ends within its header.")
        yield from self.open(len(self.waiting), is_last=True)
        if not self.decompressor.eof:
            raise Damaged(f"{self.name} ends within its compressed data.")

    def read_header(self) -> AESGCM:
        header = bytes(self.waiting[:HEADER_BYTES])
        del self.waiting[:HEADER_BYTES]
        if not header.startswith(MAGIC + FORMAT):
            raise Damaged(f"{self.name} is no backup of Tidings, or of a later format.")
        start = len(MAGIC + FORMAT)
        key, start = header[start : start + KEY_ID_BYTES].hex(), start + KEY_ID_BYTES
        nonce, wrapped = header[start : start + NONCE_BYTES], header[start + NONCE_BYTES :]
        try:
            data_key = AESGCM(key_of(self.keys, key, self.name)).decrypt(nonce, wrapped, belonging(self.name, key))
        except InvalidTag:
            raise Damaged(f"{self.name} is damaged in its header, or another artefact was put in its place.") from None
        return AESGCM(data_key)

    def open(self, size: int, *, is_last: bool) -> Iterator[bytes]:
        assert self.aes is not None
        try:
            compressed = self.aes.decrypt(nonce_of(self.number, is_last), bytes(self.waiting[:size]), None)
            for start in range(0, len(compressed), SLICE_BYTES):
                if plain := self.decompressor.decompress(compressed[start : start + SLICE_BYTES]):
                    yield plain
        except (InvalidTag, ValueError, zstandard.ZstdError):
            raise Damaged(f"{self.name} is damaged or cut short in chunk {self.number}.") from None
        del self.waiting[:size]
        self.number += 1


def key_of(keys: Ring, wanted: str, what: str) -> bytes:
    """Raises WrongKey, naming both."""
    if wanted not in keys:
        raise WrongKey(
            f"{what} is sealed under the backup key {wanted}; TIDINGS_BACKUP_KEYS has {', '.join(keys.keys)}. Put that one back."
        )
    return keys.keys[wanted]


def belonging(name: str, key: str) -> bytes:
    return bound_to("backup", name, key)


def nonce_of(number: int, is_last: bool) -> bytes:
    return number.to_bytes(NONCE_BYTES - 1, "big") + bytes([is_last])
