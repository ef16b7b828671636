"""`tidings migrate`."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

import asyncpg
import click
import msgspec

from tidings.cli.configuration import settings_with_servers
from tidings.errors import TidingsError, Unavailable
from tidings.events.cursor import new_epoch
from tidings.platform.migrate import migrate, pending
from tidings.platform.schema.known import Read
from tidings.settings import Settings, redacted_url

Answer = TypeVar("Answer")
FAILED, PENDING = 1, 3


@click.command("migrate", short_help="Bring the database to this version's schema.")
@click.option("--check", is_flag=True, help="Only say what would run, what it locks, and whether it may.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(check: bool, as_json: bool) -> None:
    """Bring the database at TIDINGS_DATABASE_URL to this version's schema.

    Safe to run while an older version serves, again, and twice at once. The login of the URL becomes the owner of the tables.

    With --check nothing is changed. Exit code 0 when nothing is pending, 3 when something is, 1 when it could not be asked, or what is
    pending must not run on a database in service.

    \b
    Example:
      TIDINGS_DATABASE_URL=postgresql://owner:…@db/tidings TIDINGS_REDIS_URL=redis://cache tidings migrate
    """
    if check:
        sys.exit(tell_pending(asyncio.run(reading(settings_with_servers())), as_json))
    ran = asyncio.run(migrate_database(settings_with_servers()))
    if as_json:
        click.echo(json.dumps({"ran": ran}))
    else:
        click.echo("\n".join(f"Ran {migration}" for migration in ran) or "Nothing to do: the database is up to date.")


def tell_pending(pending: list[Read], as_json: bool) -> int:
    """The exit code."""
    is_dangerous = any(one.dangers for one in pending)
    if as_json:
        click.echo(json.dumps({"pending": [msgspec.to_builtins(one) | {"locks": one.locks} for one in pending]}))
    elif not pending:
        click.echo("Nothing to do: the database is up to date.")
    else:
        for one in pending:
            click.echo(f"{one.id}  {one.kind: <8}  {one.description}; locks {', '.join(one.locks) or 'nothing'}")
            for danger in one.dangers:
                click.echo(f"    ! {danger}")
    return FAILED if is_dangerous else PENDING if pending else 0


async def reading(settings: Settings) -> list[Read]:
    """What is pending, as far as it can be understood before it runs."""
    assert settings.database_url is not None
    return await asked(settings.database_url, partial(pending, settings.database_url))


async def migrate_database(settings: Settings) -> list[str]:
    """Raises Unavailable when PostgreSQL cannot be reached."""
    assert settings.database_url is not None
    return await asked(settings.database_url, partial(migrate, settings.database_url, settings.shards, new_epoch))


async def asked(url: str, work: Callable[[], Awaitable[Answer]]) -> Answer:
    try:
        return await work()
    except (OSError, TimeoutError, asyncpg.CannotConnectNowError) as error:
        raise Unavailable(f"PostgreSQL at {redacted_url(url)} cannot be reached: {error}.") from error
    except asyncpg.PostgresError as error:
        raise TidingsError(f"The database could not be migrated, and is as it was: {error}.") from error
