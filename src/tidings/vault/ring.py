"""The ring of key-encryption keys, the newest first: what wraps the projects' data keys, and is never in the database.

The newest wraps; the others unwrap what they wrapped before. Losing them makes every sealed credential worthless, so they belong into the
backup, apart from the database's.
"""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path

from tidings.errors import Misconfigured
from tidings.platform.secrets import write_once
from tidings.settings import Settings, encryption_keys
from tidings.vault.envelope import new_key

FILE = "encryption_keys"


class Ring:
    """keys: by their ids. newest: the id of the one that wraps. A plain class, so that printing it shows no key."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self.keys = {id_of(key): key for key in keys}
        self.newest = id_of(keys[0])

    def __contains__(self, kek: str) -> bool:
        return kek in self.keys


def id_of(key: bytes) -> str:
    """16 hexadecimal digits. A hash of 256 random bits tells nothing of them."""
    return hashlib.sha256(b"tidings/kek/" + key).hexdigest()[:16]


def load_ring(settings: Settings) -> Ring:
    """From the setting, the file it names, or the one in the state folder. Raises Misconfigured."""
    if settings.encryption_keys:
        return Ring(settings.encryption_keys)
    return Ring(keys_of(settings.encryption_keys_file) if settings.encryption_keys_file else keys_in(settings.state_dir))


def keys_in(state_dir: Path) -> tuple[bytes, ...]:
    """Those kept in the state folder; the first is made there on first use. Safe when two processes start at once."""
    path = state_dir / FILE
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            write_once(path, base64.b64encode(new_key()).decode())
    except OSError as error:
        raise Misconfigured(f"TIDINGS_ENCRYPTION_KEYS is not set, and {path} cannot be used ({error.strerror}).") from error
    return keys_of(path)


def keys_of(path: Path) -> tuple[bytes, ...]:
    try:
        return encryption_keys(path.read_text())
    except OSError as error:
        raise Misconfigured(f"The encryption keys in {path} cannot be read ({error.strerror}).") from error
    except ValueError:
        # Without its cause: an error of decoding carries what it could not decode.
        raise Misconfigured(f"{path} holds something else than keys of 32 bytes as base64: put the keys back from a backup.") from None
