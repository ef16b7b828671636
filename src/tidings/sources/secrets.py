"""The secrets of a source, as the vault keeps them. The newest counts, and until its time is over the one before it."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from tidings.errors import Invalid
from tidings.platform.postgres import Connection
from tidings.sources.signatures import raw
from tidings.sources.structs import Kind
from tidings.vault import Place, Vault

PREFIX = "whsec_"
# Of a secret of Standard Webhooks.
LEAST_BYTES, MOST_BYTES = 24, 64


class Secrets(msgspec.Struct, frozen=True):
    newest: str
    older: str | None = None


def check_secret(kind: Kind, secret: str) -> None:
    """Raises Invalid."""
    if kind != "github" and not secret.startswith(PREFIX):
        raise Invalid(f"This secret begins with {PREFIX}, as the service shows it.", field="secret")
    if kind == "standard_webhooks" and not LEAST_BYTES <= size_of(secret) <= MOST_BYTES:
        raise Invalid(f"A secret is {PREFIX} and the base64 of {LEAST_BYTES} to {MOST_BYTES} bytes.", field="secret")


def size_of(secret: str) -> int:
    try:
        return len(raw(secret))
    except ValueError:
        return 0


async def seal(vault: Vault, connection: Connection, project: int, source: str, secrets: Secrets | None) -> bytes:
    """Nothing is kept as nothing."""
    return b"" if secrets is None else await vault.seal(connection, project, place_of(source), msgspec.json.encode(secrets))


async def unseal(vault: Vault, connection: Connection, project: int, source: str, sealed: bytes) -> Secrets | None:
    """Raises CannotOpen."""
    return msgspec.json.decode(await vault.open(connection, project, place_of(source), sealed), type=Secrets) if sealed else None


def place_of(source: str) -> Place:
    return Place("sources", source, "secrets")


def valid(secrets: Secrets | None, older_until: datetime | None, now: datetime) -> Sequence[str]:
    """Those that count at this time."""
    if secrets is None:
        return []
    return [secrets.newest] + ([secrets.older] if secrets.older is not None and older_until is not None and older_until > now else [])
