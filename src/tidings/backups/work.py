"""What a run is given to work with. A task does its work and gives back its result, or raises BackupFailed.

    async def make_logical(work: Work) -> Result

Tasks are listed in `tasks.py`. One that makes a backup makes it under `work.run.id`.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import msgspec

from tidings.backups.drafts import Place
from tidings.backups.runs import Run
from tidings.settings import Settings

# What is worth telling in the list of runs; JSON.
Result = dict[str, Any]


class Work(msgspec.Struct, frozen=True):
    """pool: as tidings_worker."""

    settings: Settings
    place: Place
    pool: asyncpg.Pool
    run: Run

    def tell(self, step: str, plain_bytes: int | None = None, sent_bytes: int | None = None) -> None:
        """How far it is, in words and bytes; shown within seconds by `tidings backup list` and the API."""
        self.run.step = step
        if plain_bytes is not None:
            self.run.plain_bytes = plain_bytes
        if sent_bytes is not None:
            self.run.sent_bytes = sent_bytes


Task = Callable[[Work], Awaitable[Result]]
