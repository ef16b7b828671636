"""Whether a database has what this version needs: asked by each process when it starts."""

import contextlib
import re
from pathlib import Path

import asyncpg

from tidings.errors import Misconfigured
from tidings.platform.postgres import NOT_YET

FOLDER = Path(__file__).parents[1] / "migrations"
RAN = "SELECT name FROM migration WHERE app_name = 'tidings'"


async def refuse_older_schema(url: str) -> None:
    """Raises Misconfigured where a migration of this version did not run. Newer ones do no harm: the version before goes on with them.

    Says nothing where PostgreSQL is away, which passes, or the login may not read what ran.
    """
    with contextlib.suppress(*NOT_YET, asyncpg.InsufficientPrivilegeError):
        connection = await asyncpg.connect(url, timeout=5, server_settings={"application_name": "tidings start"})
        try:
            ran = {row[0] for row in await connection.fetch(RAN)}
        except asyncpg.UndefinedTableError:
            ran = set()
        finally:
            connection.terminate()
        if missing := sorted(ids() - ran):
            raise Misconfigured(
                f"The schema of the database is older than this version: {len(missing)} migrations did not run, the first is {missing[0]}. "
                "Run `tidings migrate` first; the version before goes on with it."
            )


def ids() -> set[str]:
    """By their text: importing them takes as long as the rest of a start."""
    found = (re.search(r'^ID = "([^"]+)"', path.read_text(), re.MULTILINE) for path in FOLDER.glob("tidings_*.py"))
    return {one[1] for one in found if one}
