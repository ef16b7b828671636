"""What is done about backups, as rows of `backup_runs`: the truth of what is due, who does it, how far it is and how it ended.

    waiting → running → done | failed

One runs at a time over all workers (a unique index holds it), under a lease that its worker renews. ARQ only wakes.
"""

from datetime import datetime, timedelta
from typing import Any, Literal

import asyncpg
import msgspec

from tidings.backups.drafts import new_id
from tidings.backups.errors import BackupFailed
from tidings.platform.postgres import Connection

LEASE = timedelta(seconds=15)
RENEWED_EVERY_S = 2.0
LOST = "lost"
# The oldest monthly backup is younger, so what is known of it is here.
REMEMBERED = timedelta(days=400)

Task = Literal["logical", "physical", "verify", "drill"]
RunState = Literal["waiting", "running", "done", "failed"]

COLUMNS = """id, task, backup, asked_by, asked_at, state, worker, lease_until, began_at, ended_at, step, plain_bytes, sent_bytes, failure,
    reason, result"""
ASK = f"INSERT INTO backup_runs (id, task, backup, asked_by, asked_at) VALUES ($1, $2, $3, $4, $5) RETURNING {COLUMNS}"
# Several that wait for the same are one: a worker that was away for a week does not make seven backups.
SOONER = f"""
UPDATE backup_runs SET asked_at = least(asked_at, $3)
WHERE state = 'waiting' AND task = $1 AND backup IS NOT DISTINCT FROM $2 RETURNING {COLUMNS}"""
CLAIM = f"""
UPDATE backup_runs SET state = 'running', worker = $1, lease_until = $2, began_at = $3, step = NULL
WHERE id = (
    SELECT id FROM backup_runs WHERE state = 'waiting' AND asked_at <= $3 AND ($4::text IS NULL OR id = $4)
    ORDER BY asked_at, task IN ('verify', 'drill'), id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING {COLUMNS}"""
# One of which only the upload was left to do.
CLAIM_AGAIN = f"""
UPDATE backup_runs
SET state = 'running', worker = $2, lease_until = $3, began_at = $4, ended_at = NULL, failure = NULL, reason = NULL, step = 'resuming'
WHERE id = $1 AND state IN ('failed', 'waiting') RETURNING {COLUMNS}"""
RENEW = """
UPDATE backup_runs SET lease_until = $3, step = $4, plain_bytes = $5, sent_bytes = $6, backup = $7
WHERE id = $1 AND state = 'running' AND worker = $2"""
END = """
UPDATE backup_runs
SET state = $3, ended_at = $4, failure = $5, reason = $6, result = $7::jsonb, lease_until = NULL, step = NULL,
    plain_bytes = $8, sent_bytes = $9, backup = $10
WHERE id = $1 AND state = 'running' AND worker = $2"""
# What makes a backup or measures chooses anew, and is asked for without naming one: else the next who asks would have a second made.
PUT_BACK = """
UPDATE backup_runs SET state = 'waiting', worker = NULL, lease_until = NULL, began_at = NULL, step = NULL, plain_bytes = 0, sent_bytes = 0,
    backup = CASE WHEN task = 'verify' THEN backup END
WHERE id = $1 AND state = 'running' AND worker = $2"""
TAKE_BACK = f"""
UPDATE backup_runs SET state = 'failed', ended_at = $1, lease_until = NULL, failure = '{LOST}', reason = 'Its worker was lost while it ran.'
WHERE state = 'running' AND lease_until < $1 RETURNING {COLUMNS}"""


class Run(msgspec.Struct, kw_only=True):
    """A row. backup: of a run that makes one, its own id.   asked_at: it begins then, or later."""

    id: str
    task: Task
    backup: str | None
    asked_by: str
    asked_at: datetime
    state: RunState
    worker: str | None
    lease_until: datetime | None
    began_at: datetime | None
    ended_at: datetime | None
    step: str | None
    plain_bytes: int
    sent_bytes: int
    failure: str | None
    reason: str | None
    result: dict[str, Any] | None


async def ask(
    connection: Connection, task: Task, asked_by: str, now: datetime, backup: str | None = None, after: timedelta = timedelta(0)
) -> Run:
    """Have it done; one that waits for the same is that one, as soon as the sooner of both.

    backup: what it is about, where it does not make one.   after: not before then.
    """
    waiting = await connection.fetchrow(SOONER, task, backup, now + after)
    if waiting is not None:
        return run_of(waiting)
    return run_of(await connection.fetchrow(ASK, new_id(now), task, backup, asked_by, now + after))


async def claim(connection: Connection, worker: str, now: datetime, only: str | None = None) -> Run | None:
    """The next that waits, if nothing runs.   only: its id."""
    try:
        row = await connection.fetchrow(CLAIM, worker, now + LEASE, now, only)
    except asyncpg.UniqueViolationError:
        return None
    return None if row is None else run_of(row)


async def claim_again(connection: Connection, identity: str, worker: str, now: datetime) -> Run | None:
    """One that had failed or was put back, to go on with it; None when there is none, or something else runs."""
    try:
        row = await connection.fetchrow(CLAIM_AGAIN, identity, worker, now + LEASE, now)
    except asyncpg.UniqueViolationError:
        return None
    return None if row is None else run_of(row)


async def state_of(connection: Connection, identity: str) -> RunState | None:
    state: RunState | None = await connection.fetchval("SELECT state FROM backup_runs WHERE id = $1", identity)
    return state


async def find_run(connection: Connection, identity: str) -> Run | None:
    row = await connection.fetchrow(f"SELECT {COLUMNS} FROM backup_runs WHERE id = $1", identity)
    return None if row is None else run_of(row)


async def list_runs(connection: Connection, limit: int, before: str | None = None) -> list[Run]:
    """The newest first.   before: an id, from which on they are older."""
    where = "$2::text IS NULL OR id < $2"
    rows = await connection.fetch(f"SELECT {COLUMNS} FROM backup_runs WHERE {where} ORDER BY id DESC LIMIT $1", limit, before)
    return [run_of(row) for row in rows]


async def renew(connection: Connection, run: Run, now: datetime) -> bool:
    """Tell how far it is, and keep it. False when it is no longer ours: then it has to end."""
    row = (run.id, run.worker, now + LEASE, run.step, run.plain_bytes, run.sent_bytes, run.backup)
    return str(await connection.execute(RENEW, *row)) == "UPDATE 1"


async def end(connection: Connection, run: Run, now: datetime, outcome: dict[str, Any] | BackupFailed) -> bool:
    """outcome: the result, or why there is none; the run then says so too. False when it was no longer ours."""
    run.ended_at, run.lease_until = now, None
    if isinstance(outcome, BackupFailed):
        run.state, run.failure, run.reason = "failed", outcome.kind, outcome.detail
    else:
        run.state, run.result = "done", outcome
    result = None if run.result is None else msgspec.json.encode(run.result).decode()
    row = (run.id, run.worker, run.state, now, run.failure, run.reason, result, run.plain_bytes, run.sent_bytes, run.backup)
    return str(await connection.execute(END, *row)) == "UPDATE 1"


async def put_back(connection: Connection, run: Run) -> None:
    """Its worker was told to stop: the next one begins it anew."""
    await connection.execute(PUT_BACK, run.id, run.worker)


async def forget_old(connection: Connection, now: datetime) -> None:
    """Those that ended more than a year ago."""
    await connection.execute("DELETE FROM backup_runs WHERE ended_at < $1", now - REMEMBERED)


async def take_back(connection: Connection, now: datetime) -> list[Run]:
    """Those whose lease has run out, as failed."""
    return [run_of(row) for row in await connection.fetch(TAKE_BACK, now)]


def run_of(row: Any) -> Run:
    values = dict(row)
    values["result"] = None if values["result"] is None else msgspec.json.decode(values["result"])
    return Run(**values)
