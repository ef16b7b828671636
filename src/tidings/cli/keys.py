"""`tidings keys`."""

import json
from datetime import UTC, datetime, timedelta
from typing import get_args

import click
import msgspec

from tidings.access.keys import create_key, list_keys, revoke_key, rotate_key
from tidings.access.scopes import EVERYTHING, Scope
from tidings.access.structs import KeyCreated, KeyInfo, NewKey
from tidings.cli.directly import chosen_project, on_database, operator
from tidings.platform.postgres import Database, tenant_transaction
from tidings.settings import Settings

PAGE = 100

project_option = click.option("--project", metavar="PRJ", help="The project, prj_…; the only one, or that of demo.json, otherwise.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")


@click.group("keys", short_help="Create, list, rotate and revoke API keys.")
def command() -> None:
    """Create, list, rotate and revoke API keys.

    Works on the database itself: it needs TIDINGS_DATABASE_URL and the deployment's secret (or the state folder), but no key.

    \b
    Examples:
      tidings keys create "Backend, production" --scope notifications:write --scope subscribers:write
      tidings keys list
    """


@command.command("create")
@click.argument("name")
@click.option(
    "--scope", "scopes", multiple=True, type=click.Choice(get_args(Scope)), help="What it may do; may be repeated. Everything otherwise."
)
@click.option("--expires-in-days", type=click.IntRange(1, 3650), help="When it ends by itself.")
@project_option
@json_option
def create(name: str, scopes: tuple[str, ...], expires_in_days: int | None, project: str | None, as_json: bool) -> None:
    """Create a key. Its secret is printed now and can never be shown again.

    \b
    Example:
      tidings keys create "Backend, production" --scope notifications:write
    """
    ends = datetime.now(UTC) + timedelta(days=expires_in_days) if expires_in_days else None
    body = {"name": name, "scopes": list(scopes) or [EVERYTHING], "expires_at": ends}
    try:
        wanted = msgspec.convert(body, NewKey)
    except msgspec.ValidationError as error:
        raise click.BadParameter(str(error), param_hint="NAME") from error

    async def work(settings: Settings, database: Database) -> KeyCreated:
        tenant = await chosen_project(settings, database, project)
        async with tenant_transaction(database, tenant.id) as connection:
            return await create_key(connection, operator(tenant), wanted)

    show_created(on_database(work), as_json)


@command.command("list")
@project_option
@json_option
def list_(project: str | None, as_json: bool) -> None:
    """List a project's keys, oldest first.

    \b
    Example:
      tidings keys list --json
    """

    async def work(settings: Settings, database: Database) -> list[KeyInfo]:
        tenant = await chosen_project(settings, database, project)
        found: list[KeyInfo] = []
        after = None
        async with tenant_transaction(database, tenant.id):
            while True:
                page = await list_keys(tenant.id, after, PAGE)
                found += page.items
                after = page.next
                if after is None:
                    return found

    keys = on_database(work)
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(keys)))
        return
    for key in keys:
        click.echo(f"{key.key}  {key.prefix}…  {state_of(key): <28} {' '.join(key.scopes): <28} {key.name}")


def state_of(key: KeyInfo) -> str:
    if key.revoked_at is not None:
        return f"revoked {key.revoked_at:%Y-%m-%d}"
    if key.expires_at is not None:
        return ("ended" if key.expires_at <= datetime.now(UTC) else "until") + f" {key.expires_at:%Y-%m-%d %H:%M}"
    return f"last used {key.last_used_at:%Y-%m-%d}" if key.last_used_at else "never used"


@command.command("rotate")
@click.argument("key")
@click.option("--overlap-hours", type=click.FloatRange(0, 720), default=24, show_default=True, help="How long the old key still works.")
@project_option
@json_option
def rotate(key: str, overlap_hours: float, project: str | None, as_json: bool) -> None:
    """Make a new key in place of KEY (key_…), which works on for a while.

    \b
    Example:
      tidings keys rotate key_7k2m9x4bq1v8z3dw --overlap-hours 1
    """

    async def work(settings: Settings, database: Database) -> KeyCreated:
        tenant = await chosen_project(settings, database, project)
        async with tenant_transaction(database, tenant.id) as connection:
            return await rotate_key(connection, operator(tenant), key, int(overlap_hours * 3600))

    show_created(on_database(work), as_json)


@command.command("revoke")
@click.argument("key")
@project_option
@json_option
def revoke(key: str, project: str | None, as_json: bool) -> None:
    """End KEY (key_…) now: its requests and streams end within a second.

    \b
    Example:
      tidings keys revoke key_7k2m9x4bq1v8z3dw
    """

    async def work(settings: Settings, database: Database) -> bool:
        tenant = await chosen_project(settings, database, project)
        async with tenant_transaction(database, tenant.id) as connection:
            return await revoke_key(connection, tenant, key, operator(tenant).actor)

    has_changed = on_database(work)
    if as_json:
        click.echo(json.dumps({"key": key, "changed": has_changed}))
    else:
        click.echo(f"Revoked {key}." if has_changed else f"{key} was revoked before.")


def show_created(created: KeyCreated, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(created).decode())
        return
    click.echo(f"{created.key}  ({created.name}: {' '.join(created.scopes)})")
    click.echo(f"{created.secret}")
    click.echo("This is the secret. It is shown now and never again.", err=True)
