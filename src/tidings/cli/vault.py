"""`tidings vault`."""

import json
import sys

import click
import msgspec

from tidings.cli.directly import on_database
from tidings.cli.keys import json_option
from tidings.platform.postgres import Database
from tidings.settings import Settings
from tidings.vault.rewrapping import KeyInUse, Rewrapped, keys_in_use, rewrap
from tidings.vault.ring import load_ring


@click.group("vault", short_help="Rotate the keys that seal credentials.")
def command() -> None:
    """The keys of TIDINGS_ENCRYPTION_KEYS (or of `encryption_keys` in the state folder), under which projects' credentials are sealed.

    To rotate: put a new key behind the others and restart every process; put it first, and restart them again; rewrap; take the old one
    away when `status` says that it wraps nothing. Keep it as long as the backups that need it.

    \b
    Examples:
      tidings vault status
      tidings vault rewrap
    """


@command.command("status")
@json_option
def status(as_json: bool) -> None:
    """Say how many projects' data keys are wrapped by which encryption key.

    Exit code 1 when one of those keys is missing: what it wraps cannot be opened.

    \b
    Example:
      tidings vault status --json
    """

    async def work(settings: Settings, database: Database) -> list[KeyInUse]:
        return await keys_in_use(database, load_ring(settings))

    keys = on_database(work)
    if as_json:
        click.echo(json.dumps({"keys": msgspec.to_builtins(keys)}))
    else:
        for key in keys:
            state = "newest" if key.is_newest else "kept" if key.in_ring else "MISSING"
            click.echo(f"{key.key}  {state: <8} wraps {key.data_keys}")
    sys.exit(0 if all(key.in_ring for key in keys) else 1)


@command.command("rewrap")
@json_option
def rewrap_all(as_json: bool) -> None:
    """Wrap every data key by the newest encryption key, while everything runs. Safe to stop, to repeat, and to run twice at once.

    Exit code 1 when some could not be: `tidings vault status` says which keys are missing.

    \b
    Example:
      tidings vault rewrap
    """

    async def work(settings: Settings, database: Database) -> Rewrapped:
        return await rewrap(database, load_ring(settings), tell)

    result = on_database(work)
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(result)))
    else:
        click.echo(f"Rewrapped {result.rewrapped} by {result.key}.")
    for kek, count in result.left.items():
        click.echo(f"Left {count} wrapped by {kek}, which is missing or does not open them.", err=True)
    sys.exit(1 if result.left else 0)


def tell(done: int, of: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{done} of {of}   ", err=True, nl=done >= of)
