"""`python -m loadtests.scenarios smoke`: runs a scenario against a product of its own, or one that runs, and says whether it holds.

Exit codes: 0; 1 when a threshold is broken; 2 for wrong use, and when the run did not come to an end.
"""

import asyncio
import os
import sys
from pathlib import Path

import click

from loadtests.scenarios.running import Ask, NoReport, run
from loadtests.scenarios.scenario import WrongScenario, known, load


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("name", metavar="[SCENARIO]", default="smoke")
@click.option(
    "--host",
    envvar="HOST",
    default="",
    help="Where a running product is; several with commas. The key is in KEY, of a project for this alone.",
)
@click.option("--streams", envvar="STREAMS", default="", help="Where its streams are, if elsewhere.")
@click.option(
    "--receiver", envvar="RECEIVER", default="", help="A running receiver of webhooks, as the product reaches it. [one of our own]"
)
@click.option("--kill", envvar="KILL", default="", help="With --host and a scenario that kills: the command that kills something.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes of Locust.")
@click.option("--reports", type=click.Path(file_okay=False, path_type=Path), default=Path(".load"), show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--list", "lists", is_flag=True, help="Say which scenarios there are.")
def main(name: str, host: str, streams: str, receiver: str, kill: str, workers: int, reports: Path, as_json: bool, lists: bool) -> None:
    """Run a scenario with Locust: many people at once, and every notification accounted for.

    \b
    Examples:
      python -m loadtests.scenarios smoke
      HOST=https://tidings.example.com KEY=… python -m loadtests.scenarios steady --workers 4
    """
    if lists:
        click.echo("\n".join(f"{one: <8} {load(one).summary}" for one in known()))
        return
    key = os.environ.get("KEY", "")
    try:
        scenario = load(name)
    except WrongScenario as error:
        raise click.BadParameter(str(error), param_hint="SCENARIO") from None
    if host and not key:
        raise click.UsageError("HOST needs KEY, an API key of a project that is there for this alone.")
    if host and scenario.chaos is not None and not kill:
        raise click.UsageError("this scenario kills processes: HOST needs KILL, the command that kills one, as in `kubectl delete pod …`.")
    ask = Ask(
        str(Path(name).absolute()) if name.endswith(".toml") else name, host, streams, key, receiver, kill, workers, reports.absolute()
    )
    try:
        report = asyncio.run(run(ask, scenario, sys.stderr.fileno() if as_json else sys.stdout.fileno()))
    except NoReport as error:
        click.echo(str(error), err=True)
        sys.exit(2)
    folder = ask.reports / report.scenario
    click.echo((folder / "report.json").read_text() if as_json else f"{folder}/report.html")
    sys.exit(0 if report.holds else 1)


if __name__ == "__main__":
    main()
