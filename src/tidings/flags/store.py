"""Flags in PostgreSQL: every change is a row, and the newest of a key is the flag. All inside the caller's transaction.

Changes of one owner take turns (an advisory lock), so that ids rise in the order of commits: whoever has seen the newest id has seen
everything. Without it, `id > last` would lose what commits late.
"""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from tidings.access.principals import Tenant
from tidings.errors import Conflict, Invalid, NotFound
from tidings.events.entry import NewEvent
from tidings.events.outbox import append
from tidings.flags.halts import check_switch, write_halt
from tidings.flags.rules import checked
from tidings.flags.structs import KEY_PATTERN, Definition, FlagChange, FlagHistory, FlagInfo, FlagPage
from tidings.platform.keyset import cut
from tidings.platform.postgres import Connection

# Whose the deployment's flags are. Their changes travel in the log of the first shard, and are nobody's.
DEPLOYMENT = Tenant(0, "", 0)
MOST = 1000
CHANGED = "flag.changed"

# Any number that no other lock of two numbers has.
LOCK = "SELECT pg_advisory_xact_lock(1178748263, $1)"
NEWEST = "SELECT id FROM flag_changes WHERE project = $1 ORDER BY id DESC LIMIT 1"
COLUMNS = "key, version, definition, actor, reason, changed_at"
GET = f"SELECT {COLUMNS} FROM flag_changes WHERE project = $1 AND key = $2 ORDER BY version DESC LIMIT 1"
LIST = f"""
SELECT * FROM (SELECT DISTINCT ON (key) {COLUMNS} FROM flag_changes WHERE project = $1 AND key > $2 ORDER BY key, version DESC) AS newest
WHERE definition IS NOT NULL ORDER BY key LIMIT $3
"""
COUNT = """
SELECT count(*) FROM (SELECT DISTINCT ON (key) definition FROM flag_changes WHERE project = $1 ORDER BY key, version DESC) AS newest
WHERE definition IS NOT NULL
"""
ADD = f"""
INSERT INTO flag_changes (project, key, version, definition, actor, reason) VALUES ($1, $2, $3, $4, $5, $6) RETURNING {COLUMNS}
"""
HISTORY = f"""
SELECT {COLUMNS} FROM flag_changes WHERE project = $1 AND key = $2 AND version < $3 ORDER BY version DESC LIMIT $4
"""

LAST_VERSION = 2**31 - 1


async def get_flag(connection: Connection, project: int, key: str) -> FlagInfo:
    """Raises NotFound."""
    row = await connection.fetchrow(GET, project, key)
    if row is None or row["definition"] is None:
        raise unknown(key)
    return info_of(row)


async def list_flags(connection: Connection, project: int, after: str | None, limit: int) -> FlagPage:
    """By their keys, which are also the places in the list."""
    rows, more = cut(await connection.fetch(LIST, project, after or "", limit + 1), limit)
    return FlagPage([info_of(row) for row in rows], rows[-1]["key"] if more else None)


async def history(connection: Connection, project: int, key: str, before: int, limit: int) -> FlagHistory:
    """Changes older than version `before`, newest first. Raises NotFound for a key that never was one."""
    rows = await connection.fetch(HISTORY, project, key, before, limit + 1)
    if not rows and before == LAST_VERSION:
        raise unknown(key)
    infos = [info_of(row) for row in rows]
    earlier: Sequence[FlagInfo | None] = [*infos[1:], None][: len(infos)]
    steps = [
        FlagChange(
            version=now.version, before=then.definition if then else None, after=now.definition, changed_by=now.changed_by,
            reason=now.reason, changed_at=now.changed_at,
        )
        for now, then in zip(infos, earlier, strict=True)
    ]  # fmt: skip
    page, more = cut(steps, limit)
    return FlagHistory(list(page), str(page[-1].version) if more else None)


async def set_flag(
    connection: Connection, owner: Tenant, key: str, definition: Definition, *, actor: str, reason: str | None, expected: int | None = None
) -> FlagInfo:
    """expected: the version that was changed; None: whatever there is. What changes nothing is not written.

    Raises Invalid, naming the member; Conflict when somebody else changed it meanwhile, or when there are too many.
    """
    if not re.search(KEY_PATTERN, key):
        raise Invalid("A key has up to 100 letters, digits, dots, dashes and underscores.", field="key")
    checked(key, definition)
    return await change(connection, owner, key, definition, actor, reason, expected)


async def remove_flag(
    connection: Connection, owner: Tenant, key: str, *, actor: str, reason: str | None, expected: int | None = None
) -> FlagInfo:
    """Whoever asks for it gets their default from now on; its history stays. Raises NotFound, or Conflict."""
    return await change(connection, owner, key, None, actor, reason, expected)


async def change(
    connection: Connection, owner: Tenant, key: str, definition: Definition | None, actor: str, reason: str | None, expected: int | None
) -> FlagInfo:
    await connection.execute(LOCK, owner.id)
    row = await connection.fetchrow(GET, owner.id, key)
    is_there = row is not None and row["definition"] is not None
    if definition is None and not is_there:
        raise unknown(key)
    if expected is not None and expected != (row["version"] if is_there else 0):
        raise changed_meanwhile(row["version"] if is_there else 0)
    if definition is not None and not is_there and await connection.fetchval(COUNT, owner.id) >= MOST:
        raise Conflict(f"There are {MOST} flags already, which is the most.")
    if owner.id == DEPLOYMENT.id:
        check_switch(key, definition)
        await write_halt(connection, key, definition, reason)
    # As text: two definitions whose splits stand in another order are equal to Python.
    text = None if definition is None else msgspec.json.encode(definition).decode()
    if is_there and row["definition"] == text and reason in (None, row["reason"]):
        return info_of(row)
    version = row["version"] + 1 if row is not None else 1
    added = await connection.fetchrow(ADD, owner.id, key, version, text, actor, reason)
    data = msgspec.json.encode({"flag": key, "version": version}).decode()
    await append(connection, [NewEvent(project=owner.id, shard=owner.shard, type=CHANGED, data=data, actor=actor)])
    return info_of(added)


def info_of(row: Any) -> FlagInfo:
    definition, broken = read(row["definition"])
    return FlagInfo(row["key"], row["version"], definition, row["actor"], row["reason"], row["changed_at"], broken)


def read(text: str | None) -> tuple[Definition | None, str | None]:
    """The definition, or why this version cannot read it."""
    if text is None:
        return None, None
    try:
        return msgspec.json.decode(text, type=Definition), None
    except msgspec.MsgspecError as error:
        return None, f"This version of Tidings cannot read it: {error}"


def changed_meanwhile(version: int) -> Conflict:
    return Conflict(f"It was changed meanwhile and is at version {version}; look at it, and say that version.", version=version)


def unknown(key: str) -> NotFound:
    return NotFound(f"There is no flag {key[:100]!r}.")
