"""`tidings projects`."""

import json

import click

from tidings.access.principals import Tenant
from tidings.access.projects import ProjectRow, create_project, list_projects
from tidings.cli.directly import on_database
from tidings.cli.keys import json_option
from tidings.platform.postgres import Database
from tidings.settings import Settings


@click.group("projects", short_help="Create and list projects.")
def command() -> None:
    """Create and list projects. A project has its own subscribers, topics, keys and log; nothing passes from one to another.

    Works on the database itself, as `tidings keys` does.

    \b
    Example:
      tidings projects create Shop
    """


@command.command("create")
@click.argument("name")
@json_option
def create(name: str, as_json: bool) -> None:
    """Create a project and its first API key, whose secret is printed now and can never be shown again.

    \b
    Example:
      tidings projects create Shop --json
    """

    async def work(settings: Settings, database: Database) -> tuple[Tenant, str]:
        return await create_project(database, name, settings.shards)

    tenant, secret = on_database(work)
    if as_json:
        click.echo(json.dumps({"project": tenant.key, "name": name, "api_key": secret}))
        return
    click.echo(f"{tenant.key}  ({name})")
    click.echo(secret)
    click.echo("This is the secret of its first key. It is shown now and never again.", err=True)


@command.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the projects, oldest first.

    \b
    Example:
      tidings projects list
    """

    async def work(settings: Settings, database: Database) -> list[ProjectRow]:
        return await list_projects(database)

    projects = on_database(work)
    if as_json:
        click.echo(
            json.dumps([{"project": project.tenant.key, "name": project.name, "shard": project.tenant.shard} for project in projects])
        )
        return
    for project in projects:
        click.echo(f"{project.tenant.key}  {project.name}")
