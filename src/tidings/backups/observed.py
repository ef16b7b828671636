"""What a database is and holds, for a manifest; and again after a restore, to be held against it."""

import re

from tidings import __version__
from tidings.backups.manifest import Content, Origin
from tidings.events.log import heads
from tidings.platform.postgres import Connection

ORIGIN = """
SELECT current_setting('server_version') AS postgres,
    (SELECT system_identifier FROM pg_control_system()) AS server,
    ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int AS timeline,
    (SELECT name FROM migration WHERE app_name = 'tidings' ORDER BY name DESC LIMIT 1) AS migration"""
# A partition is counted with its whole. An extension's tables are made by it, not by a dump.
TABLES = """
SELECT quote_ident(relname) AS name FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
    AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e')
ORDER BY relname"""


async def origin_of(connection: Connection) -> Origin:
    """connection: as tidings_backup, or anybody else who sees all."""
    row = await connection.fetchrow(ORIGIN)
    postgres = re.match(r"[\d.]+", row["postgres"])
    assert postgres is not None, row["postgres"]
    return Origin(__version__, row["migration"], postgres[0], str(row["server"]), row["timeline"])


async def content_of(connection: Connection) -> Content:
    """Every row is counted: on a connection in a REPEATABLE READ transaction, as of its snapshot."""
    tables = [row["name"] for row in await connection.fetch(TABLES)]
    rows = {table: await connection.fetchval(f"SELECT count(*) FROM public.{table}", timeout=None) for table in tables}
    return Content(await heads(connection), rows)
