"""`tidings endpoints`."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import click

from tidings.cli.reach import Reach, find_reach
from tidings.cli.send import key_option, url_option

PAGE = 1000
C = TypeVar("C", bound=Callable[..., Any])

json_option = click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
endpoint_argument = click.argument("endpoint")


def reaching(command: C) -> C:
    """The options of a command that asks a running Tidings."""
    return json_option(url_option(key_option(command)))


@click.group("endpoints", short_help="Create, list, disable and enable webhook endpoints.")
def command() -> None:
    """Webhook endpoints: URLs of yours that get what happens.

    \b
    Examples:
      tidings endpoints create https://hooks.example.com/tidings --event "notification.*"
      tidings endpoints list
    """


@command.command("list")
@reaching
def list_(as_json: bool, url: str | None, key: str | None) -> None:
    """List the endpoints of the project, oldest first.

    \b
    Example:
      tidings endpoints list --json
    """
    found = list(pages(find_reach(url, key), "/v1/endpoints", {"limit": PAGE}))
    if as_json:
        click.echo(json.dumps(found))
        return
    for endpoint in found:
        click.echo(f"{endpoint['id']}  {state_of(endpoint): <20} {endpoint['url']}  {' '.join(endpoint['events'])}")


def pages(reach: Reach, path: str, query: dict[str, Any]) -> Iterator[Any]:
    """Every item of a list, page by page."""
    after: str | None = None
    while True:
        page = reach.request("GET", f"{path}?{urlencode(query | ({'after': after} if after else {}))}")
        yield from page["items"]
        after = page["next"]
        if after is None:
            return


def state_of(endpoint: Any) -> str:
    if endpoint["state"] == "disabled":
        return f"disabled ({endpoint['disabled_as']})"
    return "enabled" if endpoint["breaker"] == "closed" else "does not answer"


@command.command("create")
@click.argument("target", metavar="URL_OF_YOURS")
@click.option(
    "--event", "events", multiple=True, required=True, metavar="TYPE", help="As in inbox.read, notification.*, *; may be repeated."
)
@click.option("--description", help="To recognise it by.")
@click.option("--rate", type=click.FloatRange(0.1, 10_000), help="Attempts a second at most.")
@click.option("--at-once", type=click.IntRange(1, 200), help="Attempts at the same time at most.  [default: 20]")
@click.option("--schedule", metavar="SECONDS", help="From each failed attempt to the next, as in 5,300,1800.")
@click.option("--order-by", metavar="MEMBER", help="endpoint, or a member of the data, as in id: those of one value go one after another.")
@click.option("--signature", type=click.Choice(["v1", "v1a"]), help="A shared secret, or a pair of keys.  [default: v1]")
@click.option("--header", "headers", multiple=True, metavar="NAME:VALUE", help="Sent with every delivery; may be repeated.")
@reaching
def create(
    target: str,
    events: tuple[str, ...],
    schedule: str | None,
    headers: tuple[str, ...],
    as_json: bool,
    url: str | None,
    key: str | None,
    **fields: Any,
) -> None:
    """Create an endpoint. What verifies its signatures is printed: the secret, or for v1a the public key.

    \b
    Example:
      tidings endpoints create https://hooks.example.com/tidings --event "notification.*" --event inbox.read --rate 50
    """
    body: dict[str, Any] = {"url": target, "events": list(events)} | {name: value for name, value in fields.items() if value is not None}
    if schedule is not None:
        body["schedule"] = seconds_of(schedule)
    if headers:
        body["headers"] = dict(map(header_of, headers))
    made = find_reach(url, key).request("POST", "/v1/endpoints", body)
    click.echo(json.dumps(made) if as_json else f"{made['id']}  {made.get('secret') or made['public_key']}")


def seconds_of(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise click.BadParameter("must be whole seconds separated by commas, as in 5,300,1800", param_hint="--schedule") from error


def header_of(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not value.strip():
        # Without the text, which may hold a credential.
        raise click.BadParameter("must be a name, a colon and a value, as in X-Shop:17", param_hint="--header")
    return name.strip(), value.strip()


@command.command("show")
@endpoint_argument
@click.option("--secret", "with_secret", is_flag=True, help="What verifies its signatures, instead.")
@reaching
def show(endpoint: str, with_secret: bool, as_json: bool, url: str | None, key: str | None) -> None:
    """Show ENDPOINT (ep_…): whether it answers, what waits for it, why the last delivery failed.

    \b
    Examples:
      tidings endpoints show ep_7k2m9x4bq1v8z3dw
      tidings endpoints show ep_7k2m9x4bq1v8z3dw --secret
    """
    shown = find_reach(url, key).request("GET", path_of(endpoint) + ("/secret" if with_secret else ""))
    if as_json:
        click.echo(json.dumps(shown))
    elif with_secret:
        for one in shown["keys"]:
            click.echo(f"{one['key']}{'  until ' + one['until'] if one['until'] else ''}")
    else:
        show_fields(shown)


def path_of(endpoint: str) -> str:
    return f"/v1/endpoints/{quote(endpoint, safe='')}"


def show_fields(endpoint: Any) -> None:
    own = {"url": endpoint["url"], "headers": ", ".join(endpoint["headers"]), "order by": endpoint["order_by"]}
    show_lines(own | lines_of(endpoint))


def lines_of(destination: Any) -> dict[str, Any]:
    """What endpoints and integrations have in common."""
    waiting, failure = destination["waiting"], destination["last_failure"]
    return {
        "events": " ".join(destination["events"] or []),
        "state": state_of(destination) + (f" since {destination['disabled_at']}" if destination["disabled_at"] else ""),
        "description": destination["description"],
        "waiting": f"{waiting['pending']} pending, {waiting['held']} held",
        "failing since": destination["failing_since"],
        "last failure": failure and f"{failure['reason']} ({failure['delivery']})",
        "rate": destination["rate"] and f"{destination['rate']:g} a second",
        "at once": destination["at_once"],
    }


def show_lines(lines: Mapping[str, Any]) -> None:
    """Those that say something."""
    for name, value in lines.items():
        if value:
            click.echo(f"{name: <14} {value}")


@command.command("disable")
@endpoint_argument
@reaching
def disable(endpoint: str, as_json: bool, url: str | None, key: str | None) -> None:
    """Send nothing to ENDPOINT (ep_…) for now: deliveries are held.

    \b
    Example:
      tidings endpoints disable ep_7k2m9x4bq1v8z3dw
    """
    disabled = find_reach(url, key).request("POST", path_of(endpoint) + "/disable")
    click.echo(json.dumps(disabled) if as_json else f"Disabled {endpoint}.")


@command.command("enable")
@endpoint_argument
@click.option("--backfill", is_flag=True, help="Send what was held meanwhile, too.")
@reaching
def enable(endpoint: str, backfill: bool, as_json: bool, url: str | None, key: str | None) -> None:
    """Send to ENDPOINT (ep_…) again.

    \b
    Example:
      tidings endpoints enable ep_7k2m9x4bq1v8z3dw --backfill
    """
    enabled = find_reach(url, key).request("POST", path_of(endpoint) + "/enable", {"backfill": backfill})
    click.echo(json.dumps(enabled) if as_json else told_enabled(enabled))


def told_enabled(enabled: Any) -> str:
    if enabled["replay"]:
        return f"Enabled {enabled['id']}; {enabled['replay']} sends what was held."
    if enabled["held"]:
        return f"Enabled {enabled['id']}. {enabled['held']} or more are held since {enabled['since']}; --backfill sends them."
    return f"Enabled {enabled['id']}."


@command.command("rotate")
@endpoint_argument
@click.option("--overlap-hours", type=click.FloatRange(0, 720), default=24, show_default=True, help="How long older keys still sign.")
@reaching
def rotate(endpoint: str, overlap_hours: float, as_json: bool, url: str | None, key: str | None) -> None:
    """Sign what ENDPOINT (ep_…) gets with a new key, and with the older ones for a while.

    \b
    Example:
      tidings endpoints rotate ep_7k2m9x4bq1v8z3dw --overlap-hours 48
    """
    rotated = find_reach(url, key).request("POST", path_of(endpoint) + "/secret/rotate", {"overlap": int(overlap_hours * 3600)})
    click.echo(json.dumps(rotated) if as_json else rotated.get("secret") or rotated["public_key"])


@command.command("delete")
@endpoint_argument
@reaching
def delete(endpoint: str, as_json: bool, url: str | None, key: str | None) -> None:
    """Delete ENDPOINT (ep_…) and its secrets; what waits for it is cancelled.

    \b
    Example:
      tidings endpoints delete ep_7k2m9x4bq1v8z3dw
    """
    find_reach(url, key).request("DELETE", path_of(endpoint))
    click.echo(json.dumps({"id": endpoint, "deleted": True}) if as_json else f"Deleted {endpoint}.")
