"""The text of an API key: `tdk_` + 27 base62 characters (160 bits) + 6 of checksum.

The prefix lets secret scanners and people recognise it; the checksum lets a mistyped or invented one be refused without the database.
"""

import re
import secrets
import string
import zlib

from tidings.errors import Unauthenticated
from tidings.platform.secrets import keyed_hash

PREFIX = "tdk_"
ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
RANDOM_LENGTH, CHECKSUM_LENGTH = 27, 6
SHAPE = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{RANDOM_LENGTH + CHECKSUM_LENGTH}}}")
SHOWN_LENGTH = len(PREFIX) + 6


def new_secret() -> str:
    body = PREFIX + "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_LENGTH))
    return body + checksum(body)


def checksum(body: str) -> str:
    number = zlib.crc32(body.encode())
    digits = []
    for _ in range(CHECKSUM_LENGTH):
        number, digit = divmod(number, 62)
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))


def is_well_formed(secret: str) -> bool:
    return SHAPE.fullmatch(secret) is not None and checksum(secret[:-CHECKSUM_LENGTH]) == secret[-CHECKSUM_LENGTH:]


def hash_of(secret: str) -> bytes:
    """All that is stored of it. Raises Unauthenticated for what cannot be a key, before anyone asks the database."""
    if not is_well_formed(secret):
        length = RANDOM_LENGTH + CHECKSUM_LENGTH
        raise Unauthenticated(
            f"This is no API key: one is {PREFIX} and {length} letters and digits, the last {CHECKSUM_LENGTH} a checksum.",
            reason="malformed",
        )
    return keyed_hash("api-key", secret.encode())


def shown_part(secret: str) -> str:
    """The first characters, to recognise it by in a list."""
    return secret[:SHOWN_LENGTH]
