"""The migrations of this version, and those that a database lacks."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import asyncpg
import msgspec

from tidings.platform.piccolo_app import APP_CONFIG
from tidings.platform.schema.indexes import Index
from tidings.platform.schema.statements import EXCLUSIVE, NOBODY, Effect, effects_of, never_null

RAN = "SELECT name FROM migration WHERE app_name = 'tidings'"


class Known(msgspec.Struct, frozen=True):
    """A migration as its file has it. contract: since when nothing needs what it takes away; None where it takes nothing."""

    id: str
    description: str
    sql: str
    indexes: tuple[Index, ...]
    contract: str | None


class Read(msgspec.Struct, frozen=True):
    """A migration as it was understood. dangers: why it must not run on a database in service."""

    id: str
    description: str
    kind: str
    effects: list[Effect]
    dangers: list[str]

    @property
    def locks(self) -> list[str]:
        """As in `events: ACCESS EXCLUSIVE`."""
        return sorted({f"{one.table}: {one.lock}" for one in self.effects if one.table and one.lock != NOBODY})


def known_migrations() -> list[Known]:
    """In the order in which they run."""
    modules = map(module_of, Path(APP_CONFIG.resolved_migrations_folder_path).glob("*.py"))
    known = (
        Known(m.ID, m.DESCRIPTION, m.SQL, getattr(m, "INDEXES", ()), getattr(m, "CONTRACT", None)) for m in modules if hasattr(m, "ID")
    )
    return sorted(known, key=lambda one: one.id)


def module_of(path: Path) -> Any:
    """By its place, as Piccolo loads it."""
    spec = importlib.util.spec_from_file_location(f"migration_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def names_that_ran(connection: asyncpg.Connection) -> set[str]:
    """Raises asyncpg.InsufficientPrivilegeError where the login may not know."""
    if not await connection.fetchval("SELECT to_regclass('public.migration') IS NOT NULL"):
        return set()
    return {row[0] for row in await connection.fetch(RAN)}


async def pending_migrations(connection: asyncpg.Connection) -> list[Known]:
    ran = await names_that_ran(connection)
    return [one for one in known_migrations() if one.id not in ran]


def read_migrations(known: list[Known]) -> list[Read]:
    """known: all of them, in order, since an earlier one may be what makes a later one harmless."""
    return [understood(one, never_null("\n".join(before.sql for before in known[:index]))) for index, one in enumerate(known)]


def understood(known: Known, checked: frozenset[tuple[str, str]]) -> Read:
    effects = [
        *effects_of(known.sql, checked),
        *(Effect(f"CREATE INDEX CONCURRENTLY {one.name}", one.table, "SHARE UPDATE EXCLUSIVE") for one in known.indexes),
    ]
    kind = "contract" if any(effect.kind == "contract" for effect in effects) else "expand"
    dangers = [f"{effect.statement}: {effect.danger}" for effect in effects if effect.danger]
    if kind == "contract" and known.contract is None:
        dangers.append("takes something away, and does not say (CONTRACT) since which version nothing needs it")
    held = sorted({effect.table for effect in effects if effect.table and effect.lock == EXCLUSIVE})
    if len(held) > 1:
        dangers.append(f"holds {' and '.join(held)}, and would deadlock with whoever takes them the other way round: one table a migration")
    return Read(known.id, known.description, kind, effects, dangers)
