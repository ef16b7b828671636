"""`tidings tail`."""

import contextlib
import json
import time
from typing import Any
from urllib.parse import urlencode

import click

from tidings.cli.reach import Reach, call, find_reach, words_of
from tidings.cli.send import key_option, url_option
from tidings.errors import TidingsError

PAGE = 1000
WAIT_S = 25
AWAY_S = 1.0
# A well-formed cursor of no history: the answer to it (410) names the end of the log.
NOWHERE = "00000000.0"


@click.command("tail", short_help="Follow the event log.")
@click.option(
    "--after", default="now", show_default=True, metavar="CURSOR", help="Where to begin: now, 0 (all that is retained), or a cursor."
)
@click.option(
    "--type", "kinds", multiple=True, metavar="TYPE", help="Only events whose type begins so, as in notification; may be repeated."
)
@click.option("--no-follow", is_flag=True, help="Stop at the end of the log.")
@click.option("--json", "as_json", is_flag=True, help="Print each event as a line of JSON.")
@url_option
@key_option
def command(after: str, kinds: tuple[str, ...], no_follow: bool, as_json: bool, url: str | None, key: str | None) -> None:
    """Follow the event log of a project, until Ctrl-C.

    \b
    Examples:
      tidings tail
      tidings tail --after 0 --no-follow --type notification --json
    """
    reach = find_reach(url, key)
    show = show_json if as_json else show_line
    with contextlib.suppress(KeyboardInterrupt):
        follow(reach, after, no_follow, lambda event: None if kinds and not event["type"].startswith(kinds) else show(event))


def follow(reach: Reach, after: str, no_follow: bool, show: Any) -> None:
    cursor = end_of_log(reach) if after == "now" else after
    told = False
    while True:
        try:
            page = next_page(reach, cursor, 0 if no_follow else WAIT_S)
        except ConnectionError as error:
            if not told:
                click.echo(f"tidings: {error} Trying again until it is back.", err=True)
            told = True
            time.sleep(AWAY_S)
            continue
        told = False
        for event in page["events"]:
            show(event)
        if no_follow and page["next"] == cursor:
            return
        cursor = page["next"]


def next_page(reach: Reach, cursor: str, wait_s: int) -> Any:
    """Raises ConnectionError for what passes by itself, TidingsError for the rest."""
    try:
        status, answer = ask(reach, cursor, wait_s)
    except TidingsError as error:
        raise ConnectionError(str(error)) from error
    if status == 410:
        click.echo(f"tidings: {words_of(status, answer)}", err=True)
        return {"events": [], "next": answer["cursor"]}
    if status >= 500 or status == 429:
        raise ConnectionError(words_of(status, answer))
    if status != 200:
        raise TidingsError(words_of(status, answer))
    return answer


def end_of_log(reach: Reach) -> str:
    status, answer = ask(reach, NOWHERE, 0)
    if status != 410:
        raise TidingsError(words_of(status, answer))
    cursor: str = answer["cursor"]
    return cursor


def ask(reach: Reach, cursor: str, wait_s: int) -> tuple[int, Any]:
    path = "/v1/events?" + urlencode({"after": cursor, "limit": PAGE, "wait": wait_s})
    return call(reach.base_url, "GET", path, key=reach.key, timeout_s=wait_s + 10)


def show_json(event: Any) -> None:
    click.echo(json.dumps(event))


def show_line(event: Any) -> None:
    kind = click.style(f"{event['type']: <24}", fg="cyan")
    data = json.dumps(event["data"], ensure_ascii=False)
    click.echo(f"{event['created_at'][11:23]}  {event['cursor']: <20} {kind} {event.get('actor', ''): <24} {data}")
