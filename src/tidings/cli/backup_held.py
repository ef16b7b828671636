"""`tidings backup held`: what was on its way when the moment came to which the database was restored."""

import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

import click
import msgspec

from tidings.cli.directly import chosen_project, on_database
from tidings.cli.keys import json_option
from tidings.deliveries.ledger.clock import time_of
from tidings.deliveries.ledger.review import PIECE, Held, give_up_next, held_for_review, release_next
from tidings.platform.postgres import Connection, Database
from tidings.settings import Settings

T = TypeVar("T")
project_option = click.option("--project", metavar="PRJ", help="Only of this project.")
to_option = click.option("--to", "destination", metavar="DEST", help="Only those to this endpoint or integration, ep_… or int_….")


@click.group("held")
def held() -> None:
    """After a restore: deliveries that were on their way at that moment. Whether they went out after it, nobody knows; so they are held.

    \b
    Examples:
      tidings backup held list
      tidings backup held release --to ep_7k2m9x4bq1v8z3dw --rate 20
      tidings backup held cancel --to int_2b8z3dwq1v7k9x4m
    """


@held.command("list")
@project_option
@to_option
@json_option
def list_(project: str | None, destination: str | None, as_json: bool) -> None:
    """Count them, for each place where they would go.

    \b
    Example:
      tidings backup held list
    """

    async def work(connection: Connection, of: int | None) -> list[Held]:
        return await held_for_review(connection, of, destination)

    found = on_held(project, work)
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(found)))
        return
    for one in found:
        click.echo(f"{one.project}  {one.destination: <24} {one.connector: <16} {one.deliveries: >9}  {one.oldest:%Y-%m-%d %H:%M:%S}")
    if not found:
        click.echo("None are held.")


@held.command("release")
@project_option
@to_option
@click.option("--rate", type=click.FloatRange(0.1, 10_000), default=50.0, show_default=True, help="A second, to each destination.")
@json_option
def release(project: str | None, destination: str | None, rate: float, as_json: bool) -> None:
    """Send them after all, with the ids they had: a receiver that knows repetitions by those takes none twice.

    What goes to a disabled destination stays held.

    \b
    Example:
      tidings backup held release --project prj_2b8z3dwq1v7k9x4m --rate 20
    """

    async def work(connection: Connection, of: int | None) -> int:
        count, begin = 0, await time_of(connection)
        # The next piece is due when the one before it has gone.
        while released := await release_next(connection, of, destination, rate, begin):
            count += released
            begin += timedelta(seconds=released / rate) if released == PIECE else timedelta()
        return count

    tell(on_held(project, work), "released", as_json)


@held.command("cancel")
@project_option
@to_option
@json_option
def cancel(project: str | None, destination: str | None, as_json: bool) -> None:
    """Give them up.

    \b
    Example:
      tidings backup held cancel --to int_2b8z3dwq1v7k9x4m
    """

    async def work(connection: Connection, of: int | None) -> int:
        count, now = 0, await time_of(connection)
        while given_up := await give_up_next(connection, of, destination, now):
            count += given_up
        return count

    tell(on_held(project, work), "cancelled", as_json)


def on_held(project: str | None, work: Callable[[Connection, int | None], Awaitable[T]]) -> T:
    """work: given the inner number of the project, if one was named."""

    async def connected(settings: Settings, database: Database) -> T:
        of = None if project is None else (await chosen_project(settings, database, project)).id
        async with database.system.acquire() as connection:
            return await work(connection, of)

    return on_database(connected)


def tell(count: int, what: str, as_json: bool) -> None:
    click.echo(json.dumps({what: count}) if as_json else f"{count} deliveries {what}.")
