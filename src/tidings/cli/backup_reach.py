"""What the commands of `tidings backup` share: reaching the store and the database, and doing a run while somebody watches."""

import asyncio
import os
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg
import click
import msgspec

from tidings.backups.doing import Doer
from tidings.backups.drafts import Place, place_of
from tidings.backups.runs import Run, Task, ask, find_run
from tidings.cli.configuration import settings_with_servers
from tidings.deliveries.ledger.clock import time_of
from tidings.errors import Misconfigured, Unavailable
from tidings.platform.logging import configure_logging
from tidings.platform.postgres import open_pool
from tidings.settings import Settings, redacted_url

T = TypeVar("T")
FOLLOW_S = 0.5
MEGABYTE = 1_000_000


def on_backups(work: Callable[[Settings, Place, asyncpg.Pool], Awaitable[T]]) -> T:
    """Run with the store and a connected database. Raises TidingsError when there is none."""

    async def connected() -> T:
        settings = settings_with_servers()
        assert settings.database_url is not None
        place = place_of(settings)
        # What matters is told here; the log of a worker would stand between.
        configure_logging(msgspec.structs.replace(settings, log_level="ERROR"), "backup")
        try:
            pool = await open_pool(settings.database_url, "tidings_worker", 4, "tidings cli")
        except (OSError, TimeoutError, asyncpg.CannotConnectNowError) as error:
            raise Unavailable(
                f"PostgreSQL at {redacted_url(settings.database_url)} cannot be reached: {error}. Does Tidings run?"
            ) from error
        except asyncpg.PostgresError as error:
            raise Misconfigured(f"TIDINGS_DATABASE_URL cannot be used: {error}. Has `tidings migrate` run?") from error
        try:
            return await work(settings, place, pool)
        finally:
            pool.terminate()

    return asyncio.run(connected())


async def run_now(settings: Settings, place: Place, pool: asyncpg.Pool, task: Task, backup: str | None = None) -> Run:
    """Ask for it, and do it here unless a worker is quicker; as it ended."""
    doer = Doer(settings, place, pool, f"{socket.gethostname()}:{os.getpid()}", watch)
    async with pool.acquire() as connection:
        asked = await ask(connection, task, "cli", await time_of(connection), backup)
    while True:
        if (done := await doer.do_next(only=asked.id)) is not None:
            return done
        async with pool.acquire() as connection:
            now = await find_run(connection, asked.id)
        assert now is not None, "runs are not deleted while they wait"
        if now.state in ("done", "failed"):
            return now
        watch(now)
        await asyncio.sleep(FOLLOW_S)


def watch(run: Run) -> None:
    if sys.stderr.isatty():
        said = "waiting for its turn" if run.state == "waiting" else run.step or "beginning"
        click.echo(f"\r{said}: {megabytes(run.plain_bytes)} read, {megabytes(run.sent_bytes)} in the store   ", err=True, nl=False)


def megabytes(size: int) -> str:
    return f"{size / MEGABYTE:,.1f} MB"
