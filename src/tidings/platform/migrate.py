"""Brings a database to this version's schema, by Piccolo's migrations, and makes the rows of `shards`.

Each migration is one transaction together with the row that remembers it, so a half-run one leaves nothing but an index of INDEXES, which
is found again. Two processes that start at once take turns: the second finds nothing to do.

To add a migration, add a file to migrations/ named `tidings_YYYY_MM_DD_NN_table.py`, shaped like the newest one: a rising ID (the time
of writing), and `forwards`, as `script()` makes it of SQL. It must work with the version still running:
expand first (a column that may be null, a new table with its row-level security and grants, an index), contract in a later release.
It changes one table: the sequencer and publishers lock several, in different orders, and whoever holds one while it waits for the
next would deadlock with them. It may wait 5 s for a lock and then fails, to be run again, rather than hold up publishing behind it.
An index of a table that is there already goes into INDEXES, which builds it beside whoever writes (schema/indexes.py). What takes something
away says in CONTRACT since which version nothing needs it. `tidings migrate --check`, and a test, read all of them (schema/statements.py).
Never change a file that has been released.
"""

import asyncio
import contextlib
import io
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncpg
import msgspec
from piccolo.apps.migrations.commands.forwards import run_forwards
from piccolo.apps.migrations.tables import Migration

from tidings.errors import Misconfigured, TidingsError
from tidings.platform.postgres import piccolo_uses
from tidings.platform.schema.indexes import build
from tidings.platform.schema.known import Read, known_migrations, pending_migrations, read_migrations

OLDEST_POSTGRES = 14
FOLDER = Path(__file__).parent / "migrations"
# Any number, the same in every version of Tidings.
MIGRATION_LOCK = 7_216_044_912
LOCK_TIMEOUT = "5s"
TURN_POLL_S = 0.1

# pg_dump reads the sequences too, of which migrations seldom think. Not by default privileges: those are lost where a dump is restored.
LET_BACKUP_READ = """
DO $$
DECLARE target regclass;
BEGIN
    FOR target IN
        SELECT oid FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'S') AND pg_has_role(relowner, 'USAGE')
            AND NOT has_table_privilege('tidings_backup', oid, 'SELECT')
    LOOP
        EXECUTE format('GRANT SELECT ON %s TO tidings_backup', target);
    END LOOP;
END $$"""


async def migrate(url: str, shards: int, new_epoch: Callable[[], str]) -> list[str]:
    """Run what has not run yet, as the URL's own login; the ids of what ran.

    shards: rows of `shards` that there must be at least; a new one starts in the epoch that `new_epoch` gives.
    """
    async with login(url) as connection:
        await take_turn(connection)
        await connection.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
        ran: list[str] = []
        for migration in await pending_migrations(connection):
            for index in migration.indexes:
                await build(connection, index)
            if await run_next(connection) is not None:
                ran.append(migration.id)
        await make_shards(connection, shards, new_epoch)
        await connection.execute(LET_BACKUP_READ)
    return ran


async def pending(url: str) -> list[Read]:
    """What `migrate` would run, as far as it can be understood before. In a database that is empty nothing is dangerous."""
    async with login(url) as connection:
        waiting = {one.id for one in await pending_migrations(connection)}
    read = [one for one in read_migrations(known_migrations()) if one.id in waiting]
    is_empty = len(waiting) == len(known_migrations())
    return [msgspec.structs.replace(one, dangers=[]) for one in read] if is_empty else read


async def take_turn(connection: asyncpg.Connection) -> None:
    """Asks again and again: CREATE INDEX CONCURRENTLY would wait for a statement that waits for the lock, and both for ever."""
    while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", MIGRATION_LOCK):
        await asyncio.sleep(TURN_POLL_S)


def newest_migration() -> str:
    """The id of the last one that this version knows."""
    return max(
        line.split('"')[1] for path in FOLDER.glob("tidings_*.py") for line in path.read_text().splitlines() if line.startswith("ID = ")
    )


@contextlib.asynccontextmanager
async def login(url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of its own. Raises Misconfigured when the server is too old or does not let us in."""
    try:
        connection = await asyncpg.connect(url, timeout=10, server_settings={"application_name": "tidings migrate"})
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError) as error:
        raise Misconfigured(f"TIDINGS_DATABASE_URL does not open a database: {error}.") from error
    try:
        version = connection.get_server_version()
        if version.major < OLDEST_POSTGRES:
            raise Misconfigured(f"TIDINGS_DATABASE_URL names a PostgreSQL {version.major}; Tidings needs {OLDEST_POSTGRES} or later.")
        yield connection
    finally:
        # Ends the session, and with it the advisory lock.
        connection.terminate()


async def run_next(connection: asyncpg.Connection) -> str | None:
    """Run the next migration, if there is one."""
    os.environ["PICCOLO_CONF"] = "tidings.platform.piccolo_conf"
    async with connection.transaction():
        # Piccolo's own transaction() inside joins this one, which also holds the row that remembers the migration.
        with piccolo_uses(connection):
            before = await migrations_that_ran()
            await forwards_by_one()
            new = [name for name in await migrations_that_ran() if name not in before]
    return new[0] if new else None


async def forwards_by_one() -> None:
    path = sys.path.copy()
    narration = io.StringIO()
    try:
        with contextlib.redirect_stdout(narration), contextlib.redirect_stderr(narration):
            result = await run_forwards("tidings", migration_id="1")
    finally:
        sys.path[:] = path  # Piccolo adds its folder of migrations
    if not result.success:
        raise TidingsError(f"A migration did not run: {result.message}")


async def migrations_that_ran() -> list[str]:
    if not await Migration.table_exists():
        return []
    return await Migration.get_migrations_which_ran(app_name="tidings")


async def make_shards(connection: asyncpg.Connection, shards: int, new_epoch: Callable[[], str]) -> None:
    """Add what is missing. None is taken away: a project stays on its shard, and with it the cursors of its readers."""
    await connection.execute(
        "INSERT INTO shards (shard, epoch) SELECT * FROM unnest($1::smallint[], $2::text[]) ON CONFLICT DO NOTHING",
        list(range(shards)),
        [new_epoch() for _ in range(shards)],
    )
    # Deliveries are planned from here on: a planner that starts later finds what came meanwhile. The first schemas had no such table.
    if await connection.fetchval("SELECT to_regclass('planned') IS NOT NULL"):
        await connection.execute("INSERT INTO planned (shard, position) SELECT shard, head FROM shards ON CONFLICT DO NOTHING")
