"""What is sealed, as bytes: AES-256-GCM (NIST SP 800-38D) with a random nonce, bound to where it belongs.

    format (1 byte) · nonce (12) · ciphertext · tag (16)

A random nonce of 96 bits is good for 2^32 values under one key.
"""

import os

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tidings.platform.secrets import CannotOpen

KEY_BYTES = 32
FORMAT = b"\x01"
NONCE_BYTES = 12


def new_key() -> bytes:
    return os.urandom(KEY_BYTES)


def bound_to(*parts: str | int) -> bytes:
    """Additional data of which no two lists of parts share one: as JSON, "ab" + "c" is not "a" + "bc"."""
    return msgspec.json.encode(parts)


def encrypt(key: bytes, plain: bytes, belongs: bytes) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return FORMAT + nonce + AESGCM(key).encrypt(nonce, plain, belongs)


def decrypt(key: bytes, sealed: bytes, belongs: bytes, what: str) -> bytes:
    """Raises CannotOpen, naming what it is."""
    start = len(FORMAT) + NONCE_BYTES
    try:
        if not sealed.startswith(FORMAT):
            raise ValueError("another format")
        return AESGCM(key).decrypt(sealed[len(FORMAT) : start], sealed[start:], belongs)
    except (InvalidTag, ValueError) as error:
        raise CannotOpen(f"{what} was sealed under another key or for another place, or is damaged.") from error
