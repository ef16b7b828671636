"""`tidings backup`."""

import asyncio
import json
import sys
from datetime import UTC, datetime
from typing import Any

import asyncpg
import click
import msgspec

from tidings.backups.drafts import Place, place_of
from tidings.backups.errors import BackupFailed
from tidings.backups.manifest import Manifest, manifests
from tidings.backups.runs import Run, Task, list_runs
from tidings.cli.backup_held import held
from tidings.cli.backup_reach import megabytes, on_backups, run_now
from tidings.cli.backup_restore import drill, restore, settle, verify
from tidings.cli.configuration import settings_from_environment
from tidings.cli.keys import json_option
from tidings.errors import Misconfigured, Unavailable
from tidings.platform.postgres import POSTGRES_AWAY


@click.group("backup", short_help="Make, list, prove and restore backups.")
def command() -> None:
    """Backups into the store of TIDINGS_BACKUP_URL, sealed under the key of TIDINGS_BACKUP_KEYS_FILE.

    Works on the database and the store themselves, beside `tidings worker backups` or without it.

    \b
    Examples:
      tidings backup run
      tidings backup list
      tidings backup restore --into /var/lib/restored --to 2026-11-28T09:00:00Z
    """


for later in (verify, restore, settle, drill, held):
    command.add_command(later)


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
    """List the backups in the store, and what is done about them just now; the store alone, where PostgreSQL is away.

    Exit code 1 when there is none, or when one cannot be read.

    \b
    Examples:
      tidings backup list
      tidings backup list --json
    """
    found = asyncio.run(stored(place_of(settings_from_environment())))
    runs = runs_of_late()
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


async def stored(place: Place) -> list[Manifest | BackupFailed]:
    return [one async for one in manifests(place.store, place.keys)]


def runs_of_late() -> list[Run] | None:
    """Those that are not over, and the last ones that failed. None, and said, where PostgreSQL is away."""
    try:
        runs = on_backups(lambda _, __, pool: newest_runs(pool))
    except (Misconfigured, Unavailable, *POSTGRES_AWAY) as error:
        click.echo(f"What is done about them is not known: {error or type(error).__name__}", err=True)
        return None
    ended = next((at for at, run in enumerate(runs) if run.state == "done"), len(runs))
    return [run for at, run in enumerate(runs) if run.state in ("waiting", "running") or (run.state == "failed" and at < ended)]


async def newest_runs(pool: asyncpg.Pool) -> list[Run]:
    async with pool.acquire() as connection:
        return await list_runs(connection, 100)


def row_of(manifest: Manifest) -> dict[str, Any]:
    """Without its parts, of which there may be a hundred thousand."""
    row: dict[str, Any] = msgspec.to_builtins(manifest)
    artefacts = {one.name: {"bytes": one.size, "plain_bytes": one.plain_size, "parts": len(one.parts)} for one in manifest.artefacts}
    return row | {"bytes": manifest.size, "artefacts": artefacts}


def show(known: list[Manifest], runs: list[Run] | None) -> None:
    for one in known:
        age = f"{(datetime.now(UTC) - one.made_at).total_seconds() / 3600:.1f} h old"
        state = click.style(f"{one.state: <9}", fg={"verified": "green", "failed": "red"}.get(one.state))
        click.echo(f"{one.id}  {one.kind: <9} {state} {megabytes(one.size): >12}  {age: >14}  {one.reason or ''}".rstrip())
    if not known:
        click.echo("There is no backup in the store.")
    for run in runs or []:
        told = f"{run.failure}: {run.reason}" if run.state == "failed" else f"{run.step or ''} {megabytes(run.plain_bytes)} read"
        click.echo(f"{run.id}  {run.task: <9} {run.state: <9} {told}")
