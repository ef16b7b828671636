"""`tidings status` itself: once, or again and again."""

import asyncio
import json
import shutil
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import click
import msgspec

from tidings.cli.configuration import settings_with_servers
from tidings.cli.demo import read_demo
from tidings.cli.status.gather import status_of
from tidings.cli.status.lines import Line, Status, lines_of

MARKS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "error": ("✗", "red"), "unknown": ("–", "white")}
COLOURS = {"ok": "green", "degraded": "yellow", "draining": "yellow", "down": "red"}
NAME_WIDTH = 14
# To the top, and what was there is overwritten: clearing first would flicker.
HOME, REST_OF_LINE, REST_OF_SCREEN = "\x1b[H", "\x1b[K", "\x1b[J"
ALL_SCREEN = "\x1b[2J"


@click.command("status", short_help="Show on one screen how all is.")
@click.option("--url", metavar="URL", help="The API process to ask; the address in demo.json, or TIDINGS_PUBLIC_URL, otherwise.")
@click.option("--watch", is_flag=True, help="Look again and again, until Ctrl-C.")
@click.option("--every", type=click.FloatRange(0.2, 3600), default=2, show_default=True, metavar="SECONDS", help="How often, with --watch.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON, a line each time.")
def command(url: str | None, watch: bool, every: float, as_json: bool) -> None:
    """Show how all is on one screen, what matters most first: API, PostgreSQL, Redis, lag, deliveries, breakers, dead letters, backups,
    disk, replication, kill switches.

    Exit code 0 when it is ok or degraded, 1 when it is down. What to do about it: `tidings doctor`, and docs/runbooks.

    \b
    Examples:
      tidings status
      tidings status --watch
      tidings status --json
    """
    settings = settings_with_servers()
    demo = read_demo(settings)
    base_url = url or (demo.base_url if demo else settings.base_url)
    status = asyncio.run(status_of(settings, base_url))
    show(status, as_json, watch)
    while watch:
        time.sleep(every)
        status = asyncio.run(status_of(settings, base_url))
        show(status, as_json, watch, is_first=False)
    sys.exit(1 if status["status"] == "down" else 0)


def show(status: Status, as_json: bool, watched: bool, is_first: bool = True) -> None:
    lines = lines_of(status)
    if as_json:
        click.echo(json.dumps(status | {"lines": msgspec.to_builtins(lines)}))
    elif watched and sys.stdout.isatty():
        # One line stays free: the terminal would scroll.
        shown = list(screen(status, lines))[: shutil.get_terminal_size().lines - 1]
        click.echo(
            (ALL_SCREEN if is_first else "") + HOME + "".join(line + REST_OF_LINE + "\n" for line in shown) + REST_OF_SCREEN, nl=False
        )
    else:
        click.echo("\n".join(screen(status, lines)))


def screen(status: Status, lines: list[Line]) -> Iterator[str]:
    wrong = sum(line.state in ("warning", "error") for line in lines)
    state = click.style(status["status"], fg=COLOURS.get(status["status"], "white"), bold=True)
    yield f"{status['url']}  {state}  {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
    yield ""
    width = shutil.get_terminal_size((120, 24)).columns
    for line in lines:
        mark, colour = MARKS[line.state]
        text = (
            line.text if len(line.text) <= width - NAME_WIDTH - 5 or not sys.stdout.isatty() else line.text[: width - NAME_WIDTH - 6] + "…"
        )
        yield f"  {click.style(mark, fg=colour)} {line.name: <{NAME_WIDTH}} {text}"
    yield ""
    yield "Nothing to do." if not wrong else f"{wrong} to look at: `tidings doctor` says what to do."
