"""`tidings deliveries`."""

import json
import sys
import time
from datetime import datetime
from itertools import islice
from typing import Any
from urllib.parse import quote

import click

from tidings.cli.endpoints import pages, reaching
from tidings.cli.moments import moment
from tidings.cli.reach import Reach, find_reach

LOOK_S = 0.5
delivery_argument = click.argument("delivery")


@click.group("deliveries", short_help="Look at deliveries, send them again, replay them.")
def command() -> None:
    """What was sent to endpoints and integrations: every delivery and its attempts, sending one again, replaying many.

    \b
    Examples:
      tidings deliveries list --state dead --since 2h
      tidings deliveries replay ep_7k2m9x4bq1v8z3dw --since 2h
    """


@command.command("list")
@click.option("--endpoint", metavar="EP", help="To this endpoint, ep_….")
@click.option("--integration", metavar="INT", help="To this integration, int_….")
@click.option("--state", type=click.Choice(["pending", "delivered", "dead", "held", "cancelled"]), help="In this state.")
@click.option("--type", metavar="TYPE", help="Of events of this type, as in notification.created.")
@click.option("--notification", metavar="ID", help="That tell of this notification.")
@click.option("--subscriber", metavar="ID", help="To this subscriber.")
@click.option("--since", type=moment, help="Accepted since: a time, or how long ago, as in 2h.")
@click.option("--until", type=moment, help="Accepted before.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=25, show_default=True, help="How many at most.")
@reaching
def list_(limit: int, as_json: bool, url: str | None, key: str | None, **filters: Any) -> None:
    """List deliveries, the newest first.

    \b
    Example:
      tidings deliveries list --endpoint ep_7k2m9x4bq1v8z3dw --state dead --since 1d
    """
    query = {name: given(value) for name, value in filters.items() if value is not None}
    found = list(islice(pages(find_reach(url, key), "/v1/deliveries", query | {"limit": min(limit, 1000)}), limit))
    if as_json:
        click.echo(json.dumps(found))
        return
    for one in found:
        click.echo(f"{one['accepted_at'][:19]}  {one['id']}  {one['state']: <9} {one['attempts']: >2}  {one['type']: <24} {told_of(one)}")


def given(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def told_of(delivery: Any) -> str:
    return f"{destination_of(delivery)}  {delivery['reason'] or ''}".rstrip()


def destination_of(delivery: Any) -> str:
    return str(delivery["endpoint"] or delivery["integration"])


@command.command("show")
@delivery_argument
@reaching
def show(delivery: str, as_json: bool, url: str | None, key: str | None) -> None:
    """Show DELIVERY and every attempt of it.

    \b
    Example:
      tidings deliveries show 019ab3f2-7c41-7d3e-9a52-6f0e1c8b2a47
    """
    reach = find_reach(url, key)
    shown = reach.request("GET", path_of(delivery))
    attempts = list(pages(reach, path_of(delivery) + "/attempts", {"limit": 100}))
    if as_json:
        click.echo(json.dumps(shown | {"attempts": attempts}))
        return
    click.echo(f"{shown['id']}  {shown['state']}  {shown['type']}  {told_of(shown)}")
    if shown["next_attempt_at"]:
        click.echo(f"next attempt at {shown['next_attempt_at']}")
    for one in attempts:
        took = f"{one['latency']['total']:.0f} ms" if one["latency"]["total"] is not None else ""
        click.echo(f"{one['number']: >3}  {one['started_at'][:19]}  {one['outcome'] or 'under way': <9} {took: >9}  {one['detail'] or ''}")


def path_of(delivery: str) -> str:
    return f"/v1/deliveries/{quote(delivery, safe='')}"


@command.command("resend")
@delivery_argument
@reaching
def resend(delivery: str, as_json: bool, url: str | None, key: str | None) -> None:
    """Send DELIVERY again, now.

    \b
    Example:
      tidings deliveries resend 019ab3f2-7c41-7d3e-9a52-6f0e1c8b2a47
    """
    resent = find_reach(url, key).request("POST", path_of(delivery) + "/resend")
    click.echo(json.dumps(resent) if as_json else f"{delivery} is on its way to {destination_of(resent)}.")


@command.command("cancel")
@delivery_argument
@reaching
def cancel(delivery: str, as_json: bool, url: str | None, key: str | None) -> None:
    """Give up DELIVERY, which waits or is held.

    \b
    Example:
      tidings deliveries cancel 019ab3f2-7c41-7d3e-9a52-6f0e1c8b2a47
    """
    cancelled = find_reach(url, key).request("POST", path_of(delivery) + "/cancel")
    click.echo(json.dumps(cancelled) if as_json else f"Cancelled {delivery}.")


@command.command("replay")
@click.argument("destination")
@click.option("--since", type=moment, required=True, help="Accepted since: a time, or how long ago, as in 2h.")
@click.option("--until", type=moment, help="Accepted before; now otherwise.")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice(["dead", "held", "delivered", "cancelled"]),
    help="In these states; may be repeated.  [default: dead]",
)
@click.option("--type", "types", multiple=True, metavar="TYPE", help="Only of these events, as in inbox.read; may be repeated.")
@click.option("--rate", type=click.FloatRange(0.1, 10_000), default=200.0, show_default=True, help="Deliveries a second.")
@click.option("--no-wait", is_flag=True, help="Begin it, and do not wait for its end.")
@reaching
def replay(
    destination: str,
    since: datetime,
    until: datetime | None,
    states: tuple[str, ...],
    types: tuple[str, ...],
    rate: float,
    no_wait: bool,
    as_json: bool,
    url: str | None,
    key: str | None,
) -> None:
    """Send again what DESTINATION (ep_… or int_…) was to get. Shows how far it is; Ctrl-C ends the watching, not the replay.

    \b
    Examples:
      tidings deliveries replay ep_7k2m9x4bq1v8z3dw --since 2h
      tidings deliveries replay ep_7k2m9x4bq1v8z3dw --since 2026-11-25T12:00:00Z --state dead --state held --rate 50
    """
    wanted = {"until": until and given(until), "state": list(states), "types": list(types)}
    member = "integration" if destination.startswith("int_") else "endpoint"
    body = {member: destination, "since": given(since), "rate": rate} | {name: value for name, value in wanted.items() if value}
    reach = find_reach(url, key)
    begun = reach.request("POST", "/v1/deliveries/replay", body)["id"]
    shown = replay_of(reach, begun) if no_wait else watch(reach, begun)
    if as_json:
        click.echo(json.dumps(shown))
    else:
        click.echo(f"{begun} {shown['state']}: {shown['queued']} of {shown['total']} are on their way.")
    if shown["state"] == "cancelled":
        sys.exit(1)


def replay_of(reach: Reach, replay: str) -> Any:
    return reach.request("GET", f"/v1/replays/{quote(replay, safe='')}")


def watch(reach: Reach, replay: str) -> Any:
    """Its last state, once it has ended or the watching has. Progress is shown to people, on a line that is written over."""
    try:
        while (shown := replay_of(reach, replay))["state"] == "running":
            if sys.stderr.isatty():
                click.echo(f"\r{replay}: {shown['queued']} of {shown['total']} ", err=True, nl=False)
            time.sleep(LOOK_S)
    except KeyboardInterrupt:
        click.echo(f"\n{replay} goes on.", err=True)
        return replay_of(reach, replay)
    if sys.stderr.isatty():
        click.echo("\r\x1b[K", err=True, nl=False)
    return shown
