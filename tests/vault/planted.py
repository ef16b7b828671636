"""Canaries: credentials by which one knows where they come out again, however they are written there."""

import base64
import re
import secrets
import string
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from connectors.examples import CANARY

LETTERS = string.ascii_letters + string.digits
BYTEA = re.compile(rb"\\x((?:[0-9a-f]{2})+)")


def new_canary() -> str:
    """As long as that of the examples, and made of the same, so that it fits wherever that does."""
    start = "canary"
    return start + "".join(secrets.choice(LETTERS) for _ in range(len(CANARY) - len(start)))


def planted(value: Any, canary: str) -> Any:
    """The same, with this canary for that of the examples."""
    if isinstance(value, str):
        return value.replace(CANARY, canary)
    if isinstance(value, Mapping):
        return {name: planted(member, canary) for name, member in value.items()}
    return [planted(member, canary) for member in value] if isinstance(value, list | tuple) else value


def forms_of(secret: bytes) -> Iterator[bytes]:
    """As it is, in hexadecimal digits, as URLs write it, and in base64, wherever in the encoded text it begins."""
    yield secret
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    yield quote(secret, safe="").encode()
    for before in range(3):
        # Only characters that nothing before and behind it has a part in.
        first, end = -(-before * 8 // 6), (before + len(secret)) * 8 // 6
        encoded = base64.b64encode(bytes(before) + secret)[first:end]
        yield encoded
        yield encoded.translate(bytes.maketrans(b"+/", b"-_"))


class Canaries:
    """secrets: by what they are."""

    def __init__(self) -> None:
        self.secrets: dict[str, bytes] = {}

    def new(self, what: str) -> str:
        canary = new_canary()
        self.secrets[what] = canary.encode()
        return canary

    def signing(self, what: str, secret: str) -> str:
        """A signing secret, `whsec_BASE64`: as it is shown, and the bytes that it stands for."""
        encoded = secret.partition("_")[2]
        self.secrets |= {what: encoded.encode(), f"{what}, its bytes": base64.b64decode(encoded)}
        return secret

    def found_in(self, text: bytes) -> list[str]:
        """What they are that stand in it, in any form."""
        return [what for what, secret in self.secrets.items() if any(form in text for form in forms_of(secret))]

    def found_in_dump(self, dump: bytes) -> list[str]:
        """Of PostgreSQL: as it is written, and what its columns of bytes hold."""
        inside = b"\n".join(bytes.fromhex(match[1].decode()) for match in BYTEA.finditer(dump))
        return sorted({*self.found_in(dump), *self.found_in(inside)})
