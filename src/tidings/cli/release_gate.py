"""`tidings release gate`."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import msgspec

from tidings.errors import Misconfigured
from tidings.releases.cluster import Overlay, selectors
from tidings.releases.colours import Timing
from tidings.releases.figures import Figures
from tidings.releases.gate import Verdict, judge, with_own
from tidings.releases.plan import read_plan
from tidings.releases.prometheus import figures_of
from tidings.releases.state import read_state
from tidings.releases.watching import Refused, watch

ASKS_EVERY_S = 15.0
MARKS = {"pass": ("✓", "green"), "fail": ("✗", "red"), "not judged": ("–", "white")}


@click.command("gate", short_help="Say whether the new version is good enough.")
@click.option("--plan", "path", type=click.Path(path_type=Path), default="release.toml", show_default=True, help="What runs where.")
@click.option("--prometheus", metavar="URL", help="Ask this Prometheus, instead of the processes of the plan.")
@click.option("--new", "new", metavar="SELECTOR", help="With --prometheus: the processes of the new version.")
@click.option("--old", "old", metavar="SELECTOR", help="With --prometheus: those of the old one, if any runs.")
@click.option("--overlay", metavar="NAME", help="With --prometheus, instead of selectors: of k8s/overlays, in kubectl's current context.")
@click.option("--minutes", type=click.FloatRange(0, 1440), default=2, show_default=True, help="How long to watch.")
@click.option("--thresholds", type=click.Path(path_type=Path), help="JSON: members that differ, by figure.")
@click.option("--json", "as_json", is_flag=True, help="Print the verdict as JSON.")
def gate(
    path: Path,
    prometheus: str | None,
    new: str | None,
    old: str | None,
    overlay: str | None,
    minutes: float,
    thresholds: Path | None,
    as_json: bool,
) -> None:
    """Watch the new version beside the old one, and say whether it is good enough: delivery success, lag from publish to stream,
    reconnects, HTTP errors, unforeseen failures, processes that are away. Ends at the first no.

    Exit code 0 good enough, 1 not, 3 a wrong setting.

    \b
    Examples:
      tidings release gate --minutes 10
      tidings release gate --prometheus http://prometheus:9090 --new 'pod=~"api-7d9f.*"' --old 'pod=~"api-5c41.*"' --json
      tidings release gate --prometheus http://prometheus:9090 --overlay production --minutes 10
    """
    if prometheus is None and (overlay or new or old):
        raise click.UsageError("--new, --old and --overlay need --prometheus.")
    if overlay is not None:
        new, old = selectors(Overlay(overlay))
    verdict = by_prometheus(prometheus, new, old, minutes, own_of(thresholds)) if prometheus else by_plan(path, minutes, own_of(thresholds))
    if as_json:
        click.echo(json.dumps({"verdict": "pass" if verdict.passed else "fail", "reasons": verdict.reasons} | msgspec.to_builtins(verdict)))
    else:
        show(verdict)
    sys.exit(0 if verdict.passed else 1)


def by_plan(path: Path, minutes: float, own: dict[str, dict[str, float]]) -> Verdict:
    """The colour that is not live is the new one; during a release its candidate."""
    plan = read_plan(path)
    plan.thresholds |= own
    try:
        return watch(plan, read_state(plan), minutes * 60, Timing()).verdict
    except Refused as refused:
        return refused.verdict


def by_prometheus(url: str, new: str | None, old: str | None, minutes: float, own: dict[str, dict[str, float]]) -> Verdict:
    if new is None:
        raise Misconfigured("--prometheus needs --new, a selector of the new version's processes, or --overlay.")
    thresholds, began = with_own(own), time.monotonic()

    def seen(selector: str) -> Figures:
        return figures_of(url, selector, (time.monotonic() - began) / 60)

    return until_no(lambda: judge(seen(new), None if old is None else seen(old), thresholds), minutes * 60)


def until_no(look: Callable[[], Verdict], seconds: float) -> Verdict:
    """The last verdict, or the first one that is no."""
    until = time.monotonic() + seconds
    while (verdict := look()).passed and (left := until - time.monotonic()) > 0:
        time.sleep(min(left, ASKS_EVERY_S))
    return verdict


def own_of(path: Path | None) -> dict[str, dict[str, float]]:
    if path is None:
        return {}
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, dict[str, float]])
    except (OSError, msgspec.DecodeError) as error:
        raise Misconfigured(f"--thresholds {path}: {error}") from error


def show(verdict: Verdict) -> None:
    for judged in verdict.figures:
        mark, colour = MARKS[judged.state]
        click.echo(f"  {click.style(mark, fg=colour)} {judged.reason}")
    click.echo("Good enough." if verdict.passed else "Not good enough.")
