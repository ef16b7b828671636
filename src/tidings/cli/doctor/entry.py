"""`tidings doctor` itself: of what, where, with which token, and what its end says."""

import asyncio
import os
import sys

import click
import msgspec

from tidings.cli.configuration import TOKEN, settings_with_servers
from tidings.cli.doctor.address import Address
from tidings.cli.doctor.deployment import examine_deployment, show_deployment
from tidings.cli.doctor.examine import examine
from tidings.cli.doctor.measured import Answered, Refused
from tidings.cli.doctor.place import Place
from tidings.cli.doctor.report import Report
from tidings.cli.doctor.show import Progress, show
from tidings.platform.logging import configure_logging

HEALTHY, FINDINGS, UNREACHED = 0, 1, 2


@click.command("doctor", short_help="Say what is wrong with this deployment, or on the way to browsers.")
@click.argument("url", metavar="[URL]", required=False)
@click.option(
    "--idle",
    "idle_s",
    type=click.FloatRange(1, 3600),
    default=70,
    show_default=True,
    metavar="SECONDS",
    help="How long to hold a stream and a long poll. Most proxies wait for 60.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def command(url: str | None, idle_s: float, as_json: bool) -> None:
    """Say what is wrong, worst first, and for each finding the command that mends it. Changes nothing.

    Without URL, of the deployment itself, where its settings are: servers, roles, migrations, clocks, keys, disk, certificates, backups,
    names of receivers, and what runs.

    With URL, of what stands between browsers and Tidings: buffers, time-outs, HTTP/1.1, caches, clocks. URL is the address that browsers
    use. A subscriber's token (POST /v1/subscribers/ID/tokens) is read from TIDINGS_TOKEN, or from standard input, or asked for; never from
    an argument, which others on this machine can read.

    Exit code 0 when there is nothing to change, 1 when there is, 2 when Tidings, or its database, was not reached.

    \b
    Examples:
      tidings doctor
      tidings doctor https://tidings.example.com
      tidings doctor https://tidings.example.com --idle 20 --json < token.txt
    """
    if url is None:
        sys.exit(of_the_deployment(as_json))
    place = Place(address_of(url), token())
    progress = Progress()
    try:
        report = asyncio.run(examine(place, idle_s, progress.step))
    finally:
        progress.end()
    if as_json:
        click.echo(msgspec.json.encode(report).decode())
    else:
        show(report)
    sys.exit(exit_code(report))


def of_the_deployment(as_json: bool) -> int:
    """Its exit code."""
    settings = settings_with_servers()
    # What matters is told here; the log of a process would stand between.
    configure_logging(msgspec.structs.replace(settings, log_level="ERROR"), "doctor")
    seen = asyncio.run(examine_deployment(settings))
    if as_json:
        click.echo(msgspec.json.encode(seen).decode())
    else:
        show_deployment(seen)
    return UNREACHED if not seen.reached else HEALTHY if seen.ok else FINDINGS


def address_of(url: str) -> Address:
    try:
        return Address.of(url)
    except ValueError as error:
        raise click.BadParameter(f"{url} is no address as in https://tidings.example.com", param_hint="URL") from error


def token() -> str:
    """Raises click.UsageError when there is none."""
    given = os.environ.get(TOKEN) or (asked() if sys.stdin.isatty() else sys.stdin.readline())
    if not given.strip():
        raise click.UsageError(f"No token: set {TOKEN}, or give a subscriber's token on standard input.")
    if not given.strip().isprintable():
        raise click.UsageError("What was given as a token is none.")
    return given.strip()


def asked() -> str:
    answer: str = click.prompt("A subscriber's token", hide_input=True, err=True)
    return answer


def exit_code(report: Report) -> int:
    if not isinstance(report.facts.reach, Answered | Refused):
        return UNREACHED
    return HEALTHY if report.ok else FINDINGS
