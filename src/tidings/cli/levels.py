"""`tidings levels`."""

import json
from typing import Any
from urllib.parse import quote, urlencode

import click

from tidings.cli.endpoints import PAGE, reaching
from tidings.cli.reach import Reach, find_reach

MINUTE, HOUR, DAY = 60, 3600, 86_400


@click.command("levels", short_help="Show how deliveries end and how long they take.")
@click.argument("destination", required=False)
@click.option("--window", type=click.Choice(["1h", "24h", "7d", "30d"]), default="24h", show_default=True, help="Since how long ago.")
@reaching
def command(destination: str | None, window: str, as_json: bool, url: str | None, key: str | None) -> None:
    """Show the service levels of all destinations, or of DESTINATION (ep_…) in the course of the window.

    \b
    Examples:
      tidings levels
      tidings levels ep_7k2m9x4bq1v8z3dw --window 7d
    """
    reach = find_reach(url, key)
    if destination is None:
        shown = whole_list(reach, window)
    else:
        shown = reach.request("GET", f"/v1/service-levels/{quote(destination, safe='')}?{urlencode({'window': window})}")
    if as_json:
        click.echo(json.dumps(shown))
    elif destination is None:
        show_table(shown)
    else:
        show_one(shown)


def whole_list(reach: Reach, window: str) -> Any:
    """The first page, with the items of all."""
    query: dict[str, Any] = {"window": window, "limit": PAGE}
    whole = page = reach.request("GET", f"/v1/service-levels?{urlencode(query)}")
    while page["next"] is not None:
        page = reach.request("GET", f"/v1/service-levels?{urlencode(query | {'after': page['next']})}")
        whole["items"] += page["items"]
    del whole["next"]
    return whole


def show_table(levels: Any) -> None:
    rows = [
        ("all", levels["project"]),
        *((one["connector"], one) for one in levels["connectors"]),
        *((one["key"], one) for one in levels["items"]),
    ]
    click.echo(line_of("", "delivered", "dead", "success", "p50", "p95", "p99", "waiting", "held", "budget", "burn 1h", "burn 6h"))
    for name, one in rows:
        since = one.get("missed_since")
        click.echo(line_of(name, *cells_of(one["figures"]), *rest_of(one)) + (f"  missed since {since[:16]}" if since else ""))


def line_of(name: str, *cells: str) -> str:
    return f"{name: <24}" + "".join(f"{cell: >10}" for cell in cells)


def cells_of(figures: Any) -> list[str]:
    success = figures["success"]
    return [
        str(figures["delivered"]),
        str(figures["dead"]),
        "-" if success is None else f"{100 * success:.3f}%",
        *(duration(figures[name]) for name in ("p50_s", "p95_s", "p99_s")),
    ]


def rest_of(one: Any) -> list[str]:
    """What is left of the scarcer budget, and the higher burn rates."""
    budgets = one["success"], one["latency"]
    burns = [max((budget[name] for budget in budgets if budget[name] is not None), default=None) for name in ("burn_1h", "burn_6h")]
    return [
        duration(one["waiting"]["pending_s"]),
        duration(one["waiting"]["held_s"]),
        f"{100 * min(budget['left'] for budget in budgets):.0f}%",
        *("-" if burn is None else f"{burn:.1f}" for burn in burns),
    ]


def duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 2 * MINUTE:
        return f"{seconds:.1f} s"
    if seconds < 2 * HOUR:
        return f"{seconds / MINUTE:.0f} min"
    return f"{seconds / HOUR:.1f} h" if seconds < 2 * DAY else f"{seconds / DAY:.1f} d"


def show_one(level: Any) -> None:
    target = level["target"]
    click.echo(f"{level['key']}  {level['connector']}  target {100 * target['success']:g}%, p99 {duration(target['p99_s'])}")
    if level["missed_since"]:
        click.echo(f"missed since {level['missed_since']}")
    click.echo(line_of("", "delivered", "dead", "success", "p50", "p95", "p99"))
    click.echo(line_of("in all", *cells_of(level["figures"])))
    for point in level["timeline"]:
        click.echo(line_of(point["at"][:16], *cells_of(point["figures"])))
