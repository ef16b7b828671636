"""The deployment's secret, and what is derived from it: keyed hashes of credentials, and sealed private keys.

Each purpose has a key of its own, derived by HMAC, so that a hash made for one is worthless for another. Losing the secret makes every
API key worthless; that is why it belongs into the backup, but never into the database.
"""

import hashlib
import hmac
import os
import secrets
from functools import lru_cache
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tidings.errors import Misconfigured, TidingsError
from tidings.settings import Settings

FILE = "secret_key"
NONCE_BYTES = 12

_deployment: list[bytes] = []


class CannotOpen(TidingsError):
    """Sealed under another secret, or damaged. Passing, once the operators have put the key back."""

    status, code, title = 503, "sealed", "A credential cannot be opened with the keys of this deployment"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)


def load_secret(settings: Settings) -> None:
    """Once in a process, before anything is hashed or sealed. Raises Misconfigured when the file cannot be had."""
    _deployment[:] = [(settings.secret_key or secret_in(settings.state_dir)).encode()]
    derived.cache_clear()


def secret_in(state_dir: Path) -> str:
    """The secret kept in the state folder; made there the first time. Safe when two processes start at once."""
    path = state_dir / FILE
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            write_once(path, secrets.token_urlsafe(48))
        secret = path.read_text().strip()
    except OSError as error:
        raise Misconfigured(f"TIDINGS_SECRET_KEY is not set, and {path} cannot be used ({error.strerror}).") from error
    if len(secret) < 32:
        raise Misconfigured(
            f"{path} holds fewer than 32 characters: put the secret back from a backup, or remove it and issue new API keys."
        )
    return secret


def write_once(path: Path, secret: str) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secret + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        # A link, not a rename: it never takes the place of what another process wrote a moment before.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


@lru_cache(maxsize=64)
def derived(purpose: str) -> bytes:
    if not _deployment:
        raise RuntimeError("load_secret(settings) has to be called first")
    return hmac.digest(_deployment[0], f"tidings/{purpose}".encode(), hashlib.sha256)


def keyed_hash(purpose: str, data: bytes) -> bytes:
    """HMAC-SHA256 of the data, 32 bytes."""
    return hmac.digest(derived(purpose), data, "sha256")


def seal(purpose: str, data: bytes) -> bytes:
    """Encrypted and authenticated (AES-256-GCM), with its nonce in front."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(derived(purpose)).encrypt(nonce, data, purpose.encode())


def open_sealed(purpose: str, sealed: bytes) -> bytes:
    """Raises CannotOpen."""
    try:
        return AESGCM(derived(purpose)).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], purpose.encode())
    except (InvalidTag, ValueError) as error:
        raise CannotOpen("This was sealed under another secret key, or is damaged.") from error
