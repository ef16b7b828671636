"""`tidings flags`."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import click
import msgspec

from tidings.access.principals import Tenant
from tidings.cli.directly import chosen_project, on_database, operator_name
from tidings.cli.flag_words import default_of, explained_in_words, state_of, step_of, told_by
from tidings.cli.keys import json_option
from tidings.deliveries.connectors.registry import CONNECTORS
from tidings.errors import Invalid, NotFound, TidingsError
from tidings.flags.evaluate import explain
from tidings.flags.halts import PREFIX
from tidings.flags.known import KNOWN, Known
from tidings.flags.store import DEPLOYMENT, LAST_VERSION, get_flag, history, list_flags, remove_flag, set_flag
from tidings.flags.structs import TARGETING_KEY, Definition, Explained, FlagHistory, FlagInfo, FlagPage, Split
from tidings.platform.postgres import Connection, Database, tenant_transaction
from tidings.settings import Settings

T = TypeVar("T")

MOST_LISTED = 1000

project_option = click.option("--project", metavar="PRJ", help="A flag of this project; of the deployment otherwise.")
reason_option = click.option("--reason", help="Why, for the history.")
by_option = click.option("--by", help="Who, for the history; your login otherwise.")
version_option = click.option("--if-version", "expected", type=click.IntRange(0), help="Only when it is at this version; 0: only when new.")

# What the deployment's own processes ask.
ASKED = KNOWN | {
    f"{PREFIX}{name}": Known(
        f"{PREFIX}{name}", True, f"Deliveries through {name} are sent; those that wait go out when it is on again.", by_project=False
    )
    for name in sorted(CONNECTORS)
}


@click.group("flags", short_help="Switch, roll out and explain feature flags.")
def command() -> None:
    """Feature flags of the deployment, which hold in every process within a second, and with --project those of a project.

    Works on the database itself, as `tidings vault` does. What a flag may hold is said in docs/flags.md.

    \b
    Examples:
      tidings flags list
      tidings flags set short_ways.publish off --reason "looking for what is slow"
      tidings flags set new-editor --project prj_… --percent 10
    """


@asynccontextmanager
async def flags_of(settings: Settings, database: Database, project: str | None) -> AsyncIterator[tuple[Connection, Tenant]]:
    """A transaction on the flags of the deployment, or of a project."""
    if project is None:
        async with database.system.acquire() as connection, connection.transaction():
            yield connection, DEPLOYMENT
    else:
        tenant = await chosen_project(settings, database, project)
        async with tenant_transaction(database, tenant.id) as connection:
            yield connection, tenant


@command.command("list")
@project_option
@json_option
def list_(project: str | None, as_json: bool) -> None:
    """List the flags: those somebody set, and those Tidings asks that nobody did.

    \b
    Example:
      tidings flags list --json
    """

    async def work(settings: Settings, database: Database) -> FlagPage:
        async with flags_of(settings, database, project) as (connection, owner):
            return await list_flags(connection, owner.id, None, MOST_LISTED)

    known = {flag.key: flag for flag in on_database(work).items}
    asked = ASKED if project is None else {}
    keys = sorted(known.keys() | asked.keys())
    if as_json:
        click.echo(json.dumps([listed(key, known.get(key), asked.get(key)) for key in keys]))
        return
    for key in keys:
        flag = known.get(key)
        state = state_of(flag.definition) if flag is not None else default_of(asked[key])
        click.echo(f"{key: <34} {state: <22} {told_by(flag) if flag is not None else asked[key].what}".rstrip())


def listed(key: str, flag: FlagInfo | None, asked: Known | None) -> dict[str, Any]:
    shown: dict[str, Any] = {"key": key, "version": 0, "definition": None} if flag is None else msgspec.to_builtins(flag)
    return shown if asked is None else shown | {"default": asked.default, "what": asked.what}


@command.command("set")
@click.argument("key")
@click.argument("state", type=click.Choice(["on", "off"]), required=False)
@click.option(
    "--percent", type=click.FloatRange(0, 100), help="On for this share, of projects (short_ways.…) or of targeting keys (a project's)."
)
@click.option("--definition", type=click.File("rb"), help="All of it, as JSON; - reads it from standard input.")
@click.option("--new", "is_new", is_flag=True, help="Make a flag that is not there, and that Tidings does not ask.")
@project_option
@reason_option
@by_option
@version_option
@json_option
def set_(
    key: str,
    state: str | None,
    percent: float | None,
    definition: Any,
    is_new: bool,
    project: str | None,
    reason: str | None,
    by: str | None,
    expected: int | None,
    as_json: bool,
) -> None:
    """Switch a flag, change its rollout, or set all of it.

    `off` is the kill switch: everyone gets the variant `off`, whatever the rules say, and `on` lets the rules count again.

    \b
    Examples:
      tidings flags set connectors.twilio off --reason "texts are charged twice"
      tidings flags set short_ways.stream --percent 50
      tidings flags set banner --project prj_… --definition banner.json --if-version 3
    """
    if (state is not None) + (percent is not None) + (definition is not None) != 1:
        raise click.UsageError("Say one of: on, off, --percent, --definition.")
    if percent is not None and is_for_none(key, project):
        raise click.UsageError(f"{key} is asked for no project, so there is no share of them; say on or off.")
    given = None if definition is None else read_definition(definition.read())

    async def work(settings: Settings, database: Database) -> FlagInfo:
        async with flags_of(settings, database, project) as (connection, owner):
            flag = await flag_or_none(connection, owner, key, is_new or (given is not None and owner is not DEPLOYMENT))
            wanted = given or changed(definition_of(flag), state, percent)
            return await set_flag(connection, owner, key, wanted, actor=actor_of(by), reason=reason, expected=expected)

    flag = named(lambda: on_database(work))
    click.echo(msgspec.json.encode(flag).decode() if as_json else f"{key} is now {state_of(flag.definition)} (version {flag.version}).")


def read_definition(text: bytes) -> Definition:
    """Raises TidingsError, naming the member."""
    try:
        return msgspec.json.decode(text, type=Definition)
    except msgspec.MsgspecError as error:
        raise TidingsError(f"The definition was not accepted: {error}.") from error


async def flag_or_none(connection: Connection, owner: Tenant, key: str, may_be_new: bool) -> FlagInfo | None:
    """Raises NotFound for one that nobody set or asks, because an operator's typing error must not look like a switch."""
    try:
        return await get_flag(connection, owner.id, key)
    except NotFound:
        if may_be_new or (owner is DEPLOYMENT and key in ASKED):
            return None
        known = f" There are: {', '.join(ASKED)}." if owner is DEPLOYMENT else ""
        raise NotFound(f"There is no flag {key!r}, and Tidings asks none; --new makes it.{known}") from None


def definition_of(flag: FlagInfo | None) -> Definition:
    """What is there, else a plain boolean."""
    if flag is None:
        return Definition()
    if flag.definition is None:
        raise TidingsError(f"{flag.broken} Set all of it with --definition.")
    return flag.definition


def changed(definition: Definition, state: str | None, percent: float | None) -> Definition:
    if percent is None:
        return msgspec.structs.replace(definition, enabled=state == "on")
    if not {"on", "off"} <= definition.variants.keys():
        raise TidingsError("--percent is for flags with the variants `on` and `off`; use --definition.")
    by = definition.serve if isinstance(definition.serve, Split) else Split({})
    return msgspec.structs.replace(
        definition, enabled=True, serve=msgspec.structs.replace(by, weights={"on": percent, "off": 100 - percent})
    )


@command.command("remove")
@click.argument("key")
@project_option
@reason_option
@by_option
@version_option
@json_option
def remove(key: str, project: str | None, reason: str | None, by: str | None, expected: int | None, as_json: bool) -> None:
    """Take a flag away: whoever asks for it gets their default. Its history stays.

    \b
    Example:
      tidings flags remove short_ways.publish --reason "found it"
    """

    async def work(settings: Settings, database: Database) -> FlagInfo:
        async with flags_of(settings, database, project) as (connection, owner):
            return await remove_flag(connection, owner, key, actor=actor_of(by), reason=reason, expected=expected)

    flag = named(lambda: on_database(work))
    click.echo(msgspec.json.encode(flag).decode() if as_json else f"{key} was taken away (version {flag.version}).")


@command.command("history")
@click.argument("key")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@project_option
@json_option
def history_(key: str, limit: int, project: str | None, as_json: bool) -> None:
    """Who changed a flag, when, from what to what, and why; newest first.

    \b
    Example:
      tidings flags history connectors.smtp
    """

    async def work(settings: Settings, database: Database) -> FlagHistory:
        async with flags_of(settings, database, project) as (connection, owner):
            return await history(connection, owner.id, key, LAST_VERSION, limit)

    steps = named(lambda: on_database(work)).items
    click.echo(msgspec.json.encode(steps).decode() if as_json else "\n".join(map(step_of, steps)))


@command.command("explain")
@click.argument("key")
@click.option(
    "--for", "targeting_key", help="Whom or what it is for (the targeting key); short_ways.… are asked for projects, others for none."
)
@click.option("--attribute", "attributes", multiple=True, metavar="NAME=VALUE", help="May be repeated. JSON is read as such.")
@project_option
@json_option
def explain_(key: str, targeting_key: str | None, attributes: tuple[str, ...], project: str | None, as_json: bool) -> None:
    """What a flag is for a context, and why. Exit code 1 when it has no value.

    \b
    Examples:
      tidings flags explain short_ways.publish --for prj_…
      tidings flags explain banner --project prj_… --for alice --attribute plan=pro --attribute seats=12
    """
    context = context_of(key, project, targeting_key, attributes)

    async def work(settings: Settings, database: Database) -> Explained:
        async with flags_of(settings, database, project) as (connection, owner):
            try:
                return explain(await get_flag(connection, owner.id, key), context)
            except NotFound:
                if owner is not DEPLOYMENT or key not in ASKED:
                    raise
                return Explained(key, 0, ASKED[key].default, None, "DEFAULT")

    found = named(lambda: on_database(work))
    click.echo(msgspec.json.encode(found).decode() if as_json else explained_in_words(found))
    if found.reason == "ERROR":
        raise SystemExit(1)


def is_for_none(key: str, project: str | None) -> bool:
    """Whether Tidings asks it, and for no project."""
    return project is None and key in ASKED and not ASKED[key].by_project


def context_of(key: str, project: str | None, targeting_key: str | None, attributes: Sequence[str]) -> dict[str, Any]:
    """As it is asked with."""
    whom = "" if is_for_none(key, project) else targeting_key
    asked = {} if whom is None else {TARGETING_KEY: whom} | ({"project": whom} if project is None else {})
    return asked | dict(map(attribute_of, attributes))


def attribute_of(text: str) -> tuple[str, Any]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise click.BadParameter(f"{text!r} must read NAME=VALUE.", param_hint="--attribute")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def actor_of(by: str | None) -> str:
    return operator_name() if by is None else f"operator:{by}"


def named(work: Callable[[], T]) -> T:
    """The member that was wrong stands before what is wrong with it."""
    try:
        return work()
    except Invalid as error:
        raise TidingsError(f"{error.field}: {error.detail}" if error.field else error.detail) from error
