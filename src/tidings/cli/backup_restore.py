"""`tidings backup verify`, `restore`, `settle` and `drill`."""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

import click
import msgspec

from tidings.backups.drafts import Place, place_of
from tidings.backups.errors import Missing
from tidings.backups.manifest import Manifest, manifests, read_manifest
from tidings.backups.readiness import Ready, make_ready
from tidings.backups.recovery import Moment, choose
from tidings.backups.restore import Restored, restore_into_database, restore_into_folder
from tidings.backups.runs import Run, Task
from tidings.backups.segments import position_of
from tidings.cli.backup_reach import on_backups, run_now
from tidings.cli.configuration import settings_from_environment, settings_with_servers
from tidings.cli.keys import json_option
from tidings.cli.moments import moment
from tidings.errors import Misconfigured, Unavailable
from tidings.platform.logging import configure_logging
from tidings.platform.postgres import POSTGRES_AWAY
from tidings.settings import Settings, redacted_url

URLS = ("postgresql://", "postgres://")
SHOWN_PER = 100
# `tidings run` starts servers of its own only where none are named: with the deployment's URLs the copy's processes would serve, and send
# the deliveries of, what runs now.
OF_THE_DEPLOYMENT = ("TIDINGS_DATABASE_URL", "TIDINGS_REDIS_URL", "TIDINGS_STREAM_REDIS_URL")
OF_THE_STORE = ("TIDINGS_BACKUP_URL",)


@click.command("verify")
@click.argument("backup", required=False)
@json_option
def verify(backup: str | None, as_json: bool) -> None:
    """Prove BACKUP, or the newest one: restore it into a cluster that is thrown away, check what is in it, and serve an inbox from it.

    Exit code 1 when it is not good, saying why.

    \b
    Examples:
      tidings backup verify
      tidings backup verify 20261128T020000Z-k3v9w2 --json
    """
    tell_run(done("verify", backup), as_json, lambda run: f"{run.backup} is good: {said(run)}.")


@click.command("drill")
@json_option
def drill(as_json: bool) -> None:
    """Measure what a loss would cost: drop a table of the drill's own, and bring it back on a copy as of the second before.

    Where no WAL is streamed, the newest backup is restored instead. `tidings status` shows the figures.

    \b
    Example:
      tidings backup drill
    """
    tell_run(done("drill", None), as_json, lambda run: drill_said(run.result or {}))


def done(task: Task, backup: str | None) -> Run:
    return on_backups(lambda settings, place, pool: run_now(settings, place, pool, task, backup))


def tell_run(run: Run, as_json: bool, good: Callable[[Run], str]) -> None:
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(run)))
    elif run.state == "done":
        click.echo(good(run))
    else:
        click.echo(f"{run.backup or 'It'} is not good ({run.failure}): {run.reason}", err=True)
    sys.exit(0 if run.state == "done" else 1)


def said(run: Run) -> str:
    result = run.result or {}
    return f"{result.get('checked')}, credentials of {result.get('credentials_of_projects')} projects, {result.get('served')}"


def drill_said(result: dict[str, object]) -> str:
    return f"A loss now would lose {result['rpo_s']} s, and Tidings would serve again after {result['rto_s']} s ({result['drill']})."


@click.command("restore")
@click.argument("backup", required=False)
@click.option("--into", required=True, metavar="FOLDER|URL", help="A new folder, or the URL of an empty database (for a dump).")
@click.option("--to", "time", type=moment, help="As of this time (base backups): 2026-11-28T09:00:00Z, or how long ago, as in 10m.")
@click.option("--to-position", "position", metavar="LSN", help="As of this position of PostgreSQL's log, as in 0/3000028.")
@click.option("--timeline", type=click.IntRange(1), help="Follow this timeline of PostgreSQL's log; the newest otherwise.")
@json_option
def restore(backup: str | None, into: str, time: datetime | None, position: str | None, timeline: int | None, as_json: bool) -> None:
    """Bring back BACKUP, or the newest one that leads to what is asked for, into a new folder or an empty database.

    Needs the store and its key, and the keys of the deployment; no database has to run. What is there already is never touched: the folder
    has to be new, the database empty. A folder can then be run by `tidings run` (TIDINGS_STATE_DIR), or its postgres/data by a server of
    your own. Streams get a new epoch, revoked keys and erased people stay so, and deliveries that were on their way are held:
    `tidings backup held` shows and releases them.

    \b
    Examples:
      tidings backup restore --into /var/lib/restored
      tidings backup restore --into /var/lib/restored --to 2026-11-28T09:00:00Z
      tidings backup restore 20261128T020000Z-k3v9w2 --into postgresql://tidings@db.example.com/restored
    """
    settings = settings_from_environment()
    configure_logging(msgspec.structs.replace(settings, log_level="ERROR"), "backup")
    wanted = Moment(time, position_given(position), timeline)
    restored = asyncio.run(brought_back(settings, place_of(settings), backup, wanted, into))
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(restored)))
    else:
        click.echo("\n".join(lines_of(restored)))


@click.command("settle")
@click.option("--yes", is_flag=True, help="It was restored, and no worker of Tidings runs on it.")
@json_option
def settle(yes: bool, as_json: bool) -> None:
    """Make the database of TIDINGS_DATABASE_URL ready to go on, after it was restored by other means (a provider's snapshot, pgBackRest).

    What `tidings backup restore` does at its end: this version's schema, the journal of revoked keys and erased people, new epochs; and
    deliveries that were on their way are held. Before any process of Tidings is started on it.

    \b
    Example:
      tidings backup settle --yes
    """
    if not yes:
        raise Misconfigured("This holds every delivery that waits and resets every stream. Say --yes if the database was restored.")
    settings = settings_with_servers()
    assert settings.database_url is not None
    configure_logging(msgspec.structs.replace(settings, log_level="ERROR"), "backup")
    try:
        ready = asyncio.run(make_ready(settings, place_of(settings), settings.database_url, tell))
    except POSTGRES_AWAY as error:
        raise Unavailable(f"{redacted_url(settings.database_url)} cannot be made ready: {error or type(error).__name__}") from error
    click.echo(json.dumps(msgspec.to_builtins(ready)) if as_json else "\n".join(ready_lines(ready)))


def position_given(position: str | None) -> str | None:
    """Raises Misconfigured."""
    if position is not None:
        try:
            position_of(position)
        except ValueError:
            raise Misconfigured(f"{position!r} is no position of PostgreSQL's log: it is written as in 0/3000028.") from None
    return position


async def brought_back(settings: Settings, place: Place, backup: str | None, wanted: Moment, into: str) -> Restored:
    manifest = await chosen(place, backup, wanted, into)
    click.echo(f"Restoring {manifest.id} ({manifest.kind}, of {manifest.made_at:%Y-%m-%d %H:%M:%S} UTC).", err=True)
    if manifest.state == "failed":
        click.echo(f"It failed its proof: {manifest.reason}", err=True)
    if into.startswith(URLS):
        try:
            return await restore_into_database(settings, place, manifest, into, tell)
        except POSTGRES_AWAY as error:
            raise Unavailable(f"{redacted_url(into)} cannot be restored into: {error or type(error).__name__}") from error
    return await restore_into_folder(settings, place, manifest, wanted, Path(into), tell)


async def chosen(place: Place, backup: str | None, wanted: Moment, into: str) -> Manifest:
    """Raises Missing."""
    if backup is not None:
        return await read_manifest(place.store, place.keys, backup)
    known = [one async for one in manifests(place.store, place.keys) if isinstance(one, Manifest)]
    try:
        return fitting(place, [one for one in known if one.state != "failed"], wanted, into)
    except Missing:
        # In need, what failed its proof is better than nothing.
        return fitting(place, known, wanted, into)


def fitting(place: Place, known: list[Manifest], wanted: Moment, into: str) -> Manifest:
    """Raises Missing."""
    bases = [one for one in known if one.kind == "physical"]
    if not into.startswith(URLS) and (bases or not wanted.is_end):
        return choose(bases, wanted)
    dumps = [one for one in known if one.kind == "logical"]
    if not dumps:
        raise Missing(f"There is no dump in {place.store.name}; a base backup is restored into a folder (--into FOLDER).")
    return max(dumps, key=lambda one: one.made_at)


def tell(step: str, done: int, of: int) -> None:
    if sys.stderr.isatty():
        far = f" {done * SHOWN_PER // of} %" if of else f" {done}" if done else ""
        click.echo(f"\r{step}{far}\x1b[K", err=True, nl=False)


def lines_of(restored: Restored) -> list[str]:
    lines = [f"Restored {restored.backup} in {restored.seconds:g} s."]
    if restored.data is not None:
        lines.append(f"  Cluster      {restored.data}")
    if restored.state is not None:
        run = f"TIDINGS_STATE_DIR={restored.state} tidings run"
        lines.append(f"  To run it    {without(OF_THE_DEPLOYMENT)}{run}")
        lines.append(f"  To look at   {without(OF_THE_STORE + OF_THE_DEPLOYMENT)}{run}   # as long as what it was restored from still runs")
    return lines + ready_lines(restored.ready)


def without(names: Iterable[str]) -> str:
    """What takes those of them out of the environment that are in it, to stand before a command."""
    found = [given for name in names for given in (name, f"{name}_FILE") if given in os.environ]
    return f"env {' '.join(f'-u {name}' for name in found)} " if found else ""


def ready_lines(ready: Ready) -> list[str]:
    replayed = ", ".join(f"{count} {kind}" for kind, count in sorted(ready.replayed.items()) if count)
    return [
        f"  Epochs       new on {len(ready.epochs)} shards: clients are told to read their inbox",
        f"  Made true    {replayed or 'nothing was revoked or erased since'}",
        f"  Deliveries   {ready.held} held for review" + ("; see `tidings backup held list`" if ready.held else ""),
    ]
