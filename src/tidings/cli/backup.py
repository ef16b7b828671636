"""`tidings backup`."""

import asyncio
import json
import os
import socket
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import asyncpg
import click
import msgspec

from tidings.backups.doing import Doer
from tidings.backups.drafts import Place, place_of
from tidings.backups.errors import BackupFailed
from tidings.backups.manifest import Manifest, manifests
from tidings.backups.runs import Run, Task, ask, find_run, list_runs
from tidings.cli.configuration import settings_with_servers
from tidings.cli.keys import json_option
from tidings.deliveries.ledger.clock import time_of
from tidings.errors import Misconfigured, Unavailable
from tidings.platform.logging import configure_logging
from tidings.platform.postgres import open_pool
from tidings.settings import Settings, redacted_url

T = TypeVar("T")
FOLLOW_S = 0.5
MEGABYTE = 1_000_000


@click.group("backup", short_help="Make, list, prove and restore backups.")
def command() -> None:
    """Backups into the store of TIDINGS_BACKUP_URL, sealed under the key of TIDINGS_BACKUP_KEYS_FILE.

    Works on the database and the store themselves, beside `tidings worker backups` or without it.

    \b
    Examples:
      tidings backup run
      tidings backup list
    """


@command.command("run")
@click.option("--kind", type=click.Choice(["logical", "physical"]), default="logical", show_default=True, help="pg_dump, or a base backup.")
@json_option
def run(kind: Task, as_json: bool) -> None:
    """Make a backup now, and show how far it is. Where something else is under way, it waits for its turn.

    Exit code 1 when it failed; what was in the store before is as it was.

    \b
    Examples:
      tidings backup run
      tidings backup run --kind physical --json
    """
    done = on_backups(lambda settings, place, pool: run_now(settings, place, pool, kind))
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(done)))
    elif done.state == "done":
        click.echo(f"Made {done.id}: {megabytes((done.result or {}).get('bytes', 0))} in the store.")
    else:
        click.echo(f"Failed ({done.failure}): {done.reason}", err=True)
    sys.exit(0 if done.state == "done" else 1)


@command.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the backups in the store, and what is done about them just now.

    Exit code 1 when there is none, or when one cannot be read.

    \b
    Examples:
      tidings backup list
      tidings backup list --json
    """
    found, runs = on_backups(lambda _, place, pool: everything(place, pool))
    known = [one for one in found if isinstance(one, Manifest)]
    wrong = [one for one in found if isinstance(one, BackupFailed)]
    if as_json:
        listed = {"backups": [row_of(one) for one in known], "unreadable": [str(one) for one in wrong], "runs": msgspec.to_builtins(runs)}
        click.echo(json.dumps(listed))
    else:
        show(known, runs)
        for one in wrong:
            click.echo(str(one), err=True)
    sys.exit(0 if known and not wrong else 1)


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


async def everything(place: Place, pool: asyncpg.Pool) -> tuple[list[Manifest | BackupFailed], list[Run]]:
    """What is in the store; and of the runs those that are not over, and the last ones that failed."""
    found = [one async for one in manifests(place.store, place.keys)]
    async with pool.acquire() as connection:
        runs = await list_runs(connection, 100)
    ended = next((at for at, run in enumerate(runs) if run.state == "done"), len(runs))
    return found, [run for at, run in enumerate(runs) if run.state in ("waiting", "running") or (run.state == "failed" and at < ended)]


def row_of(manifest: Manifest) -> dict[str, Any]:
    """Without its parts, of which there may be sixty thousand."""
    row: dict[str, Any] = msgspec.to_builtins(manifest)
    artefacts = {one.name: {"bytes": one.size, "plain_bytes": one.plain_size, "parts": len(one.parts)} for one in manifest.artefacts}
    return row | {"bytes": manifest.size, "artefacts": artefacts}


def show(known: list[Manifest], runs: list[Run]) -> None:
    for one in known:
        age = f"{(datetime.now(UTC) - one.made_at).total_seconds() / 3600:.1f} h old"
        state = click.style(f"{one.state: <9}", fg={"verified": "green", "failed": "red"}.get(one.state))
        click.echo(
            f"{one.id}  {one.kind: <9} {state} {megabytes(one.size): >12}  {age: >14}  {one.reason or ''}".rstrip()
        )
    if not known:
        click.echo("There is no backup in the store.")
    for run in runs:
        told = f"{run.failure}: {run.reason}" if run.state == "failed" else f"{run.step or ''} {megabytes(run.plain_bytes)} read"
        click.echo(f"{run.id}  {run.task: <9} {run.state: <9} {told}")


def megabytes(size: int) -> str:
    return f"{size / MEGABYTE:,.1f} MB"
