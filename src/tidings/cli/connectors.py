"""`tidings connectors`."""

import json
import sys
from typing import Any

import click
import msgspec

from tidings.cli.directly import on_database, operator_name
from tidings.cli.keys import json_option
from tidings.deliveries.connectors import halts
from tidings.deliveries.connectors.registry import CONNECTORS
from tidings.platform.postgres import Database
from tidings.settings import Settings


@click.group("connectors", short_help="List connectors; halt one and let it go on.")
def command() -> None:
    """The ways out there are, and the switch that stops one in the whole deployment: the flag connectors.NAME, whose history
    `tidings flags history connectors.NAME` shows. Works on the database itself, as `tidings vault` does.

    \b
    Examples:
      tidings connectors list
      tidings connectors halt smtp --reason "the provider asked us to stop"
      tidings connectors resume smtp
    """


@command.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the connectors, and which of them are halted.

    \b
    Example:
      tidings connectors list --json
    """

    async def work(settings: Settings, database: Database) -> dict[str, halts.Halted]:
        async with database.system.acquire() as connection:
            return await halts.halts(connection)

    halted = on_database(work)
    listed: list[dict[str, Any]] = [
        {"name": name, "channel": CONNECTORS[name].channel, "halt": halted.get(name)} for name in sorted(CONNECTORS)
    ]
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(listed)))
        return
    for one in listed:
        click.echo(f"{one['name']: <18} {one['channel']: <10} {told_of(one['halt'])}".rstrip())


def told_of(halted: halts.Halted | None) -> str:
    if halted is None:
        return ""
    return f"halted since {halted.halted_at:%Y-%m-%d %H:%M}" + (f": {halted.reason}" if halted.reason else "")


@command.command("halt")
@click.argument("name", type=click.Choice(sorted(CONNECTORS)), metavar="NAME")
@click.option("--reason", help="For those who ask; projects can read it at /v1/connectors.")
@json_option
def halt(name: str, reason: str | None, as_json: bool) -> None:
    """Send nothing through NAME from now on, in no project. What is for it waits; what a worker has begun just now still goes out.

    \b
    Example:
      tidings connectors halt twilio --reason "texts are charged twice"
    """

    async def work(settings: Settings, database: Database) -> halts.Halted:
        async with database.system.acquire() as connection:
            return await halts.halt(connection, name, reason, operator_name())

    halted = on_database(work)
    click.echo(json.dumps(msgspec.to_builtins(halted)) if as_json else f"{name} is {told_of(halted)}.")


@command.command("resume")
@click.argument("name")
@json_option
def resume(name: str, as_json: bool) -> None:
    """Send through NAME again, and first what waited. Exit code 1 when it was not halted.

    \b
    Example:
      tidings connectors resume twilio
    """

    async def work(settings: Settings, database: Database) -> bool:
        async with database.system.acquire() as connection:
            return await halts.resume(connection, name, operator_name())

    was_halted = on_database(work)
    if as_json:
        click.echo(json.dumps({"connector": name, "changed": was_halted}))
    else:
        click.echo(f"{name} goes on." if was_halted else f"{name} was not halted.")
    sys.exit(0 if was_halted else 1)
