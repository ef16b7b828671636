"""`tidings projections`."""

import json
import sys

import click

from tidings.cli.directly import on_database
from tidings.events.log import heads
from tidings.notifications.rebuild import rebuild_inbox
from tidings.platform.postgres import Database
from tidings.settings import Settings


@click.group("projections", short_help="Rebuild what is derived from the event log.")
def command() -> None:
    """What is derived from the event log, and can be made again from it.

    \b
    Example:
      tidings projections rebuild inbox
    """


@command.command("rebuild")
@click.argument("name", type=click.Choice(["inbox"]))
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def rebuild(name: str, as_json: bool) -> None:
    """Make NAME again from what the log retains, over the state before it.

    inbox: inbox items, marks and counts. Publishing and marking wait meanwhile, reading goes on. The sequencer has to run.

    \b
    Example:
      tidings projections rebuild inbox
    """

    async def work(settings: Settings, database: Database) -> int:
        async with database.system.acquire() as connection:
            shards = sorted(await heads(connection))
        return sum([await rebuild_inbox(database.system, shard, lambda done, of, shard=shard: tell(shard, done, of)) for shard in shards])  # type: ignore[misc]

    events = on_database(work)
    click.echo(json.dumps({"projection": name, "events": events}) if as_json else f"Rebuilt {name} from {events} events.")


def tell(shard: int, done: int, of: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\rshard {shard}: {done} of {of}   ", err=True, nl=done >= of)
