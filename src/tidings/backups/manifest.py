"""What a backup is made of, and what it has to hold when it is restored. Written last: what has no manifest does not exist.

    backups/ID/manifest.json      {"key": …, "signature": …, "manifest": {…}}
    backups/ID/NAME/000001 …      the parts of the artefact NAME, sealed (`sealed.py`)

The manifest is readable without a key, for a person at 3 a.m., and signed with one (HMAC-SHA256 under what is derived from the backup key),
so that nobody who can only write to the store makes up a backup.
"""

import hashlib
import hmac
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Literal

import msgspec

from tidings.backups.errors import BackupFailed, Damaged, Missing, WrongKey
from tidings.backups.sealed import key_of
from tidings.backups.store import Store
from tidings.events.log import Head
from tidings.vault.ring import Ring

FOLDER, FILE = "backups", "manifest.json"

Kind = Literal["logical", "physical"]
# failed: a verification found it wanting; `reason` says how. A backup that could not be made has no manifest, only its row (`runs.py`).
State = Literal["made", "verified", "failed"]


class Part(msgspec.Struct, frozen=True):
    """An object of the store, as it was sealed. size: bytes."""

    size: int
    sha256: str


class Artefact(msgspec.Struct, frozen=True):
    """plain_size, plain_sha256: of what was sealed, before it was compressed."""

    name: str
    plain_size: int
    plain_sha256: str
    parts: tuple[Part, ...]

    @property
    def size(self) -> int:
        return sum(part.size for part in self.parts)


class Origin(msgspec.Struct, frozen=True):
    """Of what it is a backup.

    product: version of Tidings.   migration: the last that ran.   postgres: as in "18.6".   server: its system identifier.
    timeline: of its WAL.
    """

    product: str
    migration: str
    postgres: str
    server: str
    timeline: int


class Content(msgspec.Struct, frozen=True):
    """What was in the database then. heads: how far each shard's log went.   rows: by table."""

    heads: dict[int, Head]
    rows: dict[str, int]


class Wal(msgspec.Struct, frozen=True):
    """What of the WAL a base backup needs to be consistent: the segments from `first` to `last`. start, end: as in "0/3000028".

    superuser, owner, database: of the cluster, which is restored as a whole; who owns the tables in the database.
    """

    start: str
    end: str
    first: str
    last: str
    segment_bytes: int
    superuser: str
    owner: str
    database: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """id: as in 20261128T031500Z-k3v9w2, in the order of time but for those of one second.   began_at: what it holds is from then
    (logical) or from `made_at` (physical).   checked_at: when a restore last tried it, well or not;
    `verified_at`: when one last proved it."""

    format: int = 1
    id: str
    kind: Kind
    state: State = "made"
    reason: str | None = None
    began_at: datetime
    made_at: datetime
    checked_at: datetime | None = None
    verified_at: datetime | None = None
    origin: Origin
    content: Content
    artefacts: tuple[Artefact, ...]
    wal: Wal | None = None

    @property
    def size(self) -> int:
        """Bytes in the store."""
        return sum(artefact.size for artefact in self.artefacts)

    def artefact(self, name: str) -> Artefact:
        """Raises Damaged when it has none of that name."""
        for artefact in self.artefacts:
            if artefact.name == name:
                return artefact
        raise Damaged(f"The backup {self.id} has no artefact {name}.")


class Signed(msgspec.Struct, frozen=True):
    key: str
    signature: str
    manifest: msgspec.Raw


def folder_of(backup: str) -> str:
    return f"{FOLDER}/{backup}"


def path_of(backup: str) -> str:
    return f"{FOLDER}/{backup}/{FILE}"


def part_path(backup: str, artefact: str, number: int) -> str:
    """number: from 1 on."""
    return f"{FOLDER}/{backup}/{artefact}/{number:06d}"


def signed(manifest: Manifest, keys: Ring) -> bytes:
    """As it stands in the store."""
    raw = msgspec.json.encode(manifest)
    return msgspec.json.format(msgspec.json.encode(Signed(keys.newest, signature(keys, keys.newest, raw, manifest.id), msgspec.Raw(raw))))


async def write_manifest(store: Store, keys: Ring, manifest: Manifest) -> None:
    """Make the backup exist, or say what became of it. All its parts have to be in the store. Raises BackupFailed."""
    await store.put(path_of(manifest.id), signed(manifest, keys))


async def read_manifest(store: Store, keys: Ring, backup: str) -> Manifest:
    """Raises Missing when there is no such backup, Damaged, WrongKey."""
    return read_signed(await store.get(path_of(backup)), keys, backup)


def read_signed(document: bytes, keys: Ring, backup: str) -> Manifest:
    what = f"The manifest of {backup}"
    try:
        found = msgspec.json.decode(document, type=Signed)
        raw = msgspec.json.format(bytes(found.manifest), indent=-1)
        expected = signature(keys, found.key, raw, backup)
        if not hmac.compare_digest(found.signature, expected):
            raise Damaged(f"{what} is not as it was signed.")
        return msgspec.json.decode(raw, type=Manifest)
    except msgspec.MsgspecError as error:
        raise Damaged(f"{what} cannot be read: {error}.") from error


async def manifests(store: Store, keys: Ring) -> AsyncIterator[Manifest | BackupFailed]:
    """Every backup there is, the oldest first; those whose manifest is wrong as the error."""
    for backup in await store.folders(FOLDER):
        try:
            yield await read_manifest(store, keys, backup)
        except Missing:
            continue
        except (Damaged, WrongKey) as error:
            yield error


def signature(keys: Ring, key: str, raw: bytes, backup: str) -> str:
    """Raises WrongKey."""
    derived = hmac.digest(key_of(keys, key, f"The manifest of {backup}"), b"tidings/backup manifest", hashlib.sha256)
    return hmac.digest(derived, backup.encode() + b"\n" + raw, hashlib.sha256).hex()
