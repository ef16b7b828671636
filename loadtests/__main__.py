"""`python -m loadtests`: runs the measures, prints a table, writes JSON and a chart.

Exit codes: 0; 1 when a figure does not hold or a measure failed; 2 for wrong use.
"""

import asyncio
import resource
import sys
import time
from pathlib import Path

import click

from loadtests.chart import chart
from loadtests.figures import Form
from loadtests.peers import met
from loadtests.report import as_json, heading, table
from loadtests.running import CORE, MEASURES, Report, available, module_of, run_all
from loadtests.versions import versions

FOLDER = Path("build/bench")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("only", nargs=-1, metavar="[MEASURE]…")
@click.option("--only", "named", multiple=True, metavar="MEASURE", help="As the arguments: run these only. May be repeated.")
@click.option("--long", "is_long", is_flag=True, help="The long form: more streams, more events, more time.")
@click.option("--rounds", type=click.IntRange(1, 20), default=3, show_default=True, help="How often servers alternate; medians are quoted.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), default=FOLDER / "results.json", show_default=True)
@click.option("--chart", "chart_file", type=click.Path(path_type=Path), default=FOLDER / "chart.svg", show_default=True)
@click.option("--kept", type=click.Path(file_okay=False, path_type=Path), help="Where `ledger` keeps what it stored, and finds it again.")
@click.option("--only-fill", "only_fills", is_flag=True, help="With --kept: store, and measure nothing.")
@click.option("--list", "lists", is_flag=True, help="Say which measures there are.")
def main(
    only: tuple[str, ...],
    named: tuple[str, ...],
    is_long: bool,
    rounds: int,
    json_file: Path,
    chart_file: Path,
    kept: Path | None,
    only_fills: bool,
    lists: bool,
) -> None:
    """How fast Tidings is, beside its peers and beside what this machine can do.

    Runs the core's measures, those named, or `all`. Everything is real: PostgreSQL with durability, Valkey, sign-in, the log. Peers are
    brought by the bench where that is possible, and skipped with a word where it is not.
    """
    if lists:
        click.echo("\n".join(f"{name.ljust(10)} {module_of(name)[1]}" for name in available()))
        return
    wanted = [*only, *named] or list(CORE)
    if wanted == ["all"]:
        wanted = available()
    for name in wanted:
        if name not in available():
            raise click.BadParameter(f"there is no measure {name!r}; there are {', '.join(available())}.")
    if only_fills and kept is None:
        raise click.BadParameter("it needs --kept.", param_hint="--only-fill")
    raise_descriptor_limit()
    form = Form(is_long=is_long, rounds=rounds, kept=kept and kept.absolute(), only_fills=only_fills)
    began = time.monotonic()
    outcomes = asyncio.run(run_all([name for name in MEASURES if name in wanted], form, reporter(began)))
    known = versions(met)
    click.echo(f"\n{heading(known)}\n\n{table(outcomes)}\n")
    write(json_file, as_json(outcomes, form, known))
    write(chart_file, chart(outcomes, known).encode())
    click.echo(f"{time.monotonic() - began:.0f} s; {json_file}, {chart_file}")
    sys.exit(0 if all(outcome.holds for outcome in outcomes) else 1)


def raise_descriptor_limit() -> None:
    """For all processes that are started from here: a stream is a descriptor."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def reporter(began: float) -> Report:
    return lambda text: click.echo(f"{time.monotonic() - began:6.1f} s  {text}", err=True)


def write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


if __name__ == "__main__":
    main()
