"""
BackupFailed           a backup could not be made, read or proven; what stood in the store before is untouched
├── StoreFailed        the store does not answer, or refuses
├── Missing            what ought to be in the store is not
├── Damaged            not the bytes that were written: flipped, cut short, swapped, of another backup
├── WalBroken          what was streamed after a base backup has a gap or is damaged; the backup itself is as good as it was
├── WrongKey           sealed under a key that this process was not given
├── DiskFull           no room, here or in a folder that is the store
└── ProgramFailed      pg_dump and the like are missing, too old, or ended with an error
"""

from typing import ClassVar

from tidings.errors import TidingsError


class BackupFailed(TidingsError):
    """The root. kind: one word, for lists and alerts."""

    status, code, title = 503, "backup-failed", "A backup could not be made, read or proven"
    kind: ClassVar[str] = "failed"


class StoreFailed(BackupFailed):
    kind = "store"


class Missing(BackupFailed):
    kind = "missing"


class Damaged(BackupFailed):
    kind = "damaged"


class WalBroken(BackupFailed):
    kind = "wal"


class WrongKey(BackupFailed):
    kind = "key"


class DiskFull(BackupFailed):
    kind = "disk"


class ProgramFailed(BackupFailed):
    kind = "program"
