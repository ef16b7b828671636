"""What goes over the wire about backups."""

from datetime import datetime
from typing import Any, Literal

import msgspec

from tidings.backups.runs import RunState, Task


class NewBackupRun(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to do: make a backup, or prove the newest one by restoring it."""

    task: Literal["logical", "physical", "verify"] = "logical"


class BackupRun(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is done about backups. backup: what it makes or looks at.   asked_by: `schedule`, `cli` or an API key.

    step: what it is at, in words.   plain_bytes: read of the database so far; sent_bytes: in the store so far.
    failure: one word (store, missing, damaged, wal, key, disk, program, lost, failed).   reason: a sentence.
    """

    id: str
    task: Task
    backup: str | None
    asked_by: str
    asked_at: datetime
    state: RunState
    worker: str | None
    began_at: datetime | None
    ended_at: datetime | None
    step: str | None
    plain_bytes: int
    sent_bytes: int
    failure: str | None
    reason: str | None
    result: dict[str, Any] | None


class BackupRunPage(msgspec.Struct, frozen=True):
    items: list[BackupRun]
    next: str | None
