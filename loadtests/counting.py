"""What was asked of PostgreSQL and of Redis: counted by the servers themselves, statement by statement and command by command."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from loadtests.ground import Running
from tidings.platform.redis import open_redis


class Asked:
    """statements: executed by processes of that name, BEGIN and COMMIT too.   commands: what clients sent, by name; those that a script
    runs inside the server are in `inside`."""

    def __init__(self) -> None:
        self.statements: Counter[str] = Counter()
        self.commands: Counter[str] = Counter()
        self.inside = 0


@asynccontextmanager
async def counting(running: Running, application: str = "tidings api") -> AsyncIterator[Asked]:
    """Counts while inside; the counts are there afterwards."""
    asked = Asked()
    log = running.state / "postgres.log"
    await log_statements(running, "all")
    began = log.stat().st_size
    watch = asyncio.create_task(watch_commands(running, asked))
    await asyncio.sleep(0.1)
    try:
        yield asked
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        await log_statements(running, "none")
        asked.statements = statements_in(log, began, application)


async def log_statements(running: Running, which: str) -> None:
    connection = await asyncpg.connect(running.settings.database_url)
    try:
        await connection.execute(f"ALTER SYSTEM SET log_statement = '{which}'")
        await connection.execute("SELECT pg_reload_conf()")
    finally:
        await connection.close()
    await asyncio.sleep(0.2)


def statements_in(log: Path, began: int, application: str) -> Counter[str]:
    """Of `2026-11-23 21:00:00.000 UTC [17] tidings api LOG:  execute __asyncpg_stmt_3__: SELECT …` the first words."""
    found: Counter[str] = Counter()
    with log.open("rb") as file:
        file.seek(began)
        # Lines that go on begin with a tab.
        for line in file.read().decode(errors="replace").replace("\n\t", " ").splitlines():
            before, marker, statement = line.partition(" LOG:  ")
            if marker and before.endswith(f"] {application}") and statement.startswith(("execute ", "statement: ")):
                found[" ".join(statement.partition(": ")[2].split()[:6])] += 1
    return found


async def watch_commands(running: Running, asked: Asked) -> None:
    redis = open_redis(running.settings.redis_url or "", socket_timeout=None)
    with contextlib.suppress(asyncio.CancelledError):
        try:
            connection = await redis.connection_pool.get_connection()
            await connection.send_command("MONITOR")
            await connection.read_response()
            while True:
                line = (await connection.read_response()).decode(errors="replace")
                # 1763932800.1 [0 127.0.0.1:5000] "EVALSHA" …; inside a script: [0 lua] "HINCRBY" …
                place, _, rest = line.partition("] ")
                if place.endswith("lua"):
                    asked.inside += 1
                else:
                    asked.commands[rest.split('"', 2)[1].upper()] += 1
        finally:
            await redis.aclose()
