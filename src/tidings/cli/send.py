"""`tidings send`."""

import json
from typing import Any

import click

from tidings.cli.reach import find_reach

url_option = click.option("--url", metavar="URL", help="Where Tidings is; the address in demo.json, or TIDINGS_PUBLIC_URL, otherwise.")
key_option = click.option("--key", metavar="KEY", help="An API key; TIDINGS_API_KEY, or the one in demo.json, otherwise.")


@click.command("send", short_help="Send a notification.")
@click.argument("title")
@click.option("--to", "subscribers", multiple=True, metavar="ID", help="A subscriber; may be repeated.")
@click.option("--topic", "topics", multiple=True, metavar="KEY", help="The members of a topic; may be repeated.")
@click.option("--everyone", is_flag=True, help="Every subscriber of the project.")
@click.option("--body", help="The text below the title.")
@click.option("--link", help="Where a click leads.")
@click.option("--category", help="As in orders, comments.")
@click.option("--data", help="A JSON object of your own.")
@click.option("--transient", is_flag=True, help="Live only: not kept in inboxes.")
@click.option("--once", metavar="KEY", help="An Idempotency-Key: sending again with it sends nothing new.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@url_option
@key_option
def command(
    title: str,
    subscribers: tuple[str, ...],
    topics: tuple[str, ...],
    everyone: bool,
    data: str | None,
    transient: bool,
    once: str | None,
    as_json: bool,
    url: str | None,
    key: str | None,
    **texts: str | None,
) -> None:
    """Send a notification to subscribers, topics or everyone.

    \b
    Examples:
      tidings send --to alice "Your export is ready"
      tidings send --topic releases --body "Faster, smaller." --link /releases/2 "Version 2 is out"
    """
    to: list[Any] = [*subscribers, *({"topic": topic} for topic in topics), *([{"everyone": True}] if everyone else [])]
    if not to:
        raise click.UsageError("Say to whom: --to ID, --topic KEY or --everyone.")
    wanted = {"to": to, "title": title, "body": texts["body"], "url": texts["link"], "category": texts["category"]}
    body: dict[str, Any] = {name: value for name, value in wanted.items() if value is not None}
    if data is not None:
        body["data"] = json_object(data)
    if transient:
        body["transient"] = True
    headers = {"Idempotency-Key": once} if once else {}
    answer = find_reach(url, key).request("POST", "/v1/notifications", body, headers=headers)
    click.echo(json.dumps(answer) if as_json else f"Accepted for {answer['recipients']} recipient(s): {answer['id']}")


def json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise click.BadParameter(f"no JSON: {error}", param_hint="--data") from error
    if not isinstance(value, dict):
        raise click.BadParameter('must be a JSON object, as in {"order": 17}', param_hint="--data")
    return value
