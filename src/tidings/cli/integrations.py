"""`tidings integrations`."""

import json
from typing import IO, Any
from urllib.parse import quote

import click

from tidings.cli.endpoints import lines_of, pages, reaching, seconds_of, show_lines, state_of, told_enabled
from tidings.cli.reach import find_reach

PAGE = 1000
integration_argument = click.argument("integration")


@click.group("integrations", short_help="Connect mail servers, chats, SMS, push, analytics.")
def command() -> None:
    """Integrations: services of yours through which notifications go, or to which events are told.

    `tidings connectors list` says which kinds there are, and what each takes.

    \b
    Examples:
      tidings integrations create smtp --config '{"host": "mail.example.com", "from": "shop@example.com"}' --credentials smtp.json
      tidings integrations list
    """


@command.command("list")
@reaching
def list_(as_json: bool, url: str | None, key: str | None) -> None:
    """List the integrations of the project, oldest first. Of those for e-mail, SMS and push the oldest one of each is in use.

    \b
    Example:
      tidings integrations list --json
    """
    found = list(pages(find_reach(url, key), "/v1/integrations", {"limit": PAGE}))
    if as_json:
        click.echo(json.dumps(found))
        return
    for one in found:
        state = state_of(one) if one["in_use"] else "not in use"
        click.echo(f"{one['id']}  {state: <20} {one['channel']: <9} {one['connector']: <16} {one['description'] or ''}".rstrip())


def json_object(_: click.Context, parameter: click.Parameter, text: str | None) -> Any:
    if text is None:
        return {}
    return object_in(text, f"--{parameter.name}")


def object_in(text: str, hint: str) -> Any:
    """Without what was there, should it be wrong: it may be a credential."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise click.BadParameter(f"is no JSON ({type(error).__name__})", param_hint=hint) from None
    if not isinstance(found, dict):
        raise click.BadParameter('must be a JSON object, as in {"name": "value"}', param_hint=hint)
    return found


@command.command("create")
@click.argument("connector")
@click.option("--config", callback=json_object, metavar="JSON", help="What the connector takes that may be shown, as a JSON object.")
@click.option(
    "--credentials", type=click.File("r"), metavar="FILE", help="A file with a JSON object of its credentials; - for standard input."
)
@click.option("--event", "events", multiple=True, metavar="TYPE", help="For analytics: as in inbox.read, notification.*; may be repeated.")
@click.option("--description", help="To recognise it by.")
@click.option("--rate", type=click.FloatRange(0.1, 10_000), help="Attempts a second at most.")
@click.option("--at-once", type=click.IntRange(1, 200), help="Attempts at the same time at most.  [default: 20]")
@click.option("--schedule", metavar="SECONDS", help="From each failed attempt to the next, as in 5,300,1800.")
@reaching
def create(
    connector: str,
    config: dict[str, Any],
    credentials: IO[str] | None,
    events: tuple[str, ...],
    schedule: str | None,
    as_json: bool,
    url: str | None,
    key: str | None,
    **fields: Any,
) -> None:
    """Create an integration of CONNECTOR. Credentials come from a file or from standard input: arguments are seen by others.

    \b
    Examples:
      tidings integrations create slack --credentials slack.json
      pass show slack | tidings integrations create slack --credentials - --description "#alerts"
    """
    body: dict[str, Any] = {"connector": connector, "config": config} | {name: one for name, one in fields.items() if one is not None}
    if credentials is not None:
        body["credentials"] = object_in(credentials.read(), "--credentials")
    if events:
        body["events"] = list(events)
    if schedule is not None:
        body["schedule"] = seconds_of(schedule)
    made = find_reach(url, key).request("POST", "/v1/integrations", body)
    if as_json:
        click.echo(json.dumps(made))
        return
    click.echo(made["id"])
    if not made["in_use"]:
        click.echo(f"An older integration for {made['channel']} is in use; this one is when that is deleted.", err=True)


@command.command("show")
@integration_argument
@reaching
def show(integration: str, as_json: bool, url: str | None, key: str | None) -> None:
    """Show INTEGRATION (int_…): whether it answers, what waits for it, why the last delivery failed.

    \b
    Example:
      tidings integrations show int_7k2m9x4bq1v8z3dw
    """
    shown = find_reach(url, key).request("GET", path_of(integration))
    if as_json:
        click.echo(json.dumps(shown))
        return
    own = {"connector": shown["connector"], "channel": shown["channel"], "config": json.dumps(shown["config"], ensure_ascii=False)}
    in_use = None if shown["in_use"] else "no: an older one of its channel is"
    show_lines(own | {"in use": in_use} | lines_of(shown))


def path_of(integration: str) -> str:
    return f"/v1/integrations/{quote(integration, safe='')}"


@command.command("disable")
@integration_argument
@reaching
def disable(integration: str, as_json: bool, url: str | None, key: str | None) -> None:
    """Send nothing to INTEGRATION (int_…) for now: deliveries are held.

    \b
    Example:
      tidings integrations disable int_7k2m9x4bq1v8z3dw
    """
    disabled = find_reach(url, key).request("POST", path_of(integration) + "/disable")
    click.echo(json.dumps(disabled) if as_json else f"Disabled {integration}.")


@command.command("enable")
@integration_argument
@click.option("--backfill", is_flag=True, help="Send what was held meanwhile, too.")
@reaching
def enable(integration: str, backfill: bool, as_json: bool, url: str | None, key: str | None) -> None:
    """Send to INTEGRATION (int_…) again.

    \b
    Example:
      tidings integrations enable int_7k2m9x4bq1v8z3dw --backfill
    """
    enabled = find_reach(url, key).request("POST", path_of(integration) + "/enable", {"backfill": backfill})
    click.echo(json.dumps(enabled) if as_json else told_enabled(enabled))


@command.command("delete")
@integration_argument
@reaching
def delete(integration: str, as_json: bool, url: str | None, key: str | None) -> None:
    """Delete INTEGRATION (int_…) and its credentials; what waits for it is cancelled.

    \b
    Example:
      tidings integrations delete int_7k2m9x4bq1v8z3dw
    """
    find_reach(url, key).request("DELETE", path_of(integration))
    click.echo(json.dumps({"id": integration, "deleted": True}) if as_json else f"Deleted {integration}.")


@command.command("payment-link")
@integration_argument
@click.option("--price", required=True, metavar="PRICE", help="As Stripe calls it, price_….")
@click.option("--quantity", type=click.IntRange(1, 999_999), default=1, show_default=True, help="How many of it.")
@reaching
def payment_link(integration: str, price: str, quantity: int, as_json: bool, url: str | None, key: str | None) -> None:
    """Have Stripe make a payment link by INTEGRATION (int_…, of stripe_meter), for a notification's button. Its address is printed.

    Asked again, within a day, it is the same link.

    \b
    Example:
      tidings integrations payment-link int_7k2m9x4bq1v8z3dw --price price_1MoBy5LkdIwHu7ixZhnattbh
    """
    made = find_reach(url, key).request("POST", path_of(integration) + "/payment-links", {"price": price, "quantity": quantity})
    click.echo(json.dumps(made) if as_json else made["url"])
