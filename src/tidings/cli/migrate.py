"""`tidings migrate`."""

import asyncio
import json

import asyncpg
import click

from tidings.cli.configuration import settings_with_servers
from tidings.errors import TidingsError, Unavailable
from tidings.events.cursor import new_epoch
from tidings.platform.migrate import migrate
from tidings.settings import Settings, redacted_url


@click.command("migrate", short_help="Bring the database to this version's schema.")
@click.option("--json", "as_json", is_flag=True, help="Print what ran as JSON.")
def command(as_json: bool) -> None:
    """Bring the database at TIDINGS_DATABASE_URL to this version's schema.

    Safe to run while an older version serves, again, and twice at once. The login of the URL becomes the owner of the tables.

    \b
    Example:
      TIDINGS_DATABASE_URL=postgresql://owner:…@db/tidings TIDINGS_REDIS_URL=redis://cache tidings migrate
    """
    ran = asyncio.run(migrate_database(settings_with_servers()))
    if as_json:
        click.echo(json.dumps({"ran": ran}))
    else:
        click.echo("\n".join(f"Ran {migration}" for migration in ran) or "Nothing to do: the database is up to date.")


async def migrate_database(settings: Settings) -> list[str]:
    """Raises Unavailable when PostgreSQL cannot be reached."""
    assert settings.database_url is not None
    try:
        return await migrate(settings.database_url, settings.shards, new_epoch)
    except (OSError, TimeoutError, asyncpg.CannotConnectNowError) as error:
        raise Unavailable(f"PostgreSQL at {redacted_url(settings.database_url)} cannot be reached: {error}.") from error
    except asyncpg.PostgresError as error:
        raise TidingsError(f"The database could not be migrated, and is as it was: {error}.") from error
