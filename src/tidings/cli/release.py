"""`tidings release`."""

import contextlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec

from tidings.cli.release_cluster import promote, wait
from tidings.cli.release_gate import gate
from tidings.releases import cluster
from tidings.releases.colours import Timing, is_ready
from tidings.releases.figures import metrics_of, sample_of, version_in
from tidings.releases.plan import Colour, read_plan
from tidings.releases.proxies import route
from tidings.releases.signals import end_by_signal
from tidings.releases.state import State, only_release, read_state
from tidings.releases.switching import Outcome, roll_back, switch


@click.group("release", short_help="Bring a new version into service, or go back.")
def command() -> None:
    """Bring a new version into service beside the old one, watched, and back if it is not good enough.

    On machines: two colours behind nginx or HAProxy, as release.toml says. docs/releases.md shows one.

    \b
    Examples:
      tidings release switch
      tidings release rollback
      tidings release gate --prometheus http://prometheus:9090 --new 'pod=~"api-7d9f.*"' --old 'pod=~"api-5c41.*"' --minutes 10
    """


for later in (gate, wait, promote):
    command.add_command(later)

plan_option = click.option(
    "--plan", "path", type=click.Path(path_type=Path), default="release.toml", show_default=True, help="What runs where."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")


def percents(ctx: click.Context, parameter: click.Parameter, value: str) -> list[int]:
    try:
        steps = [int(step) for step in value.split(",")]
    except ValueError:
        steps = []
    if not steps or steps != sorted(set(steps)) or steps[0] < 1 or steps[-1] != 100:
        raise click.BadParameter("rising percents that end with 100, as in 10,50,100.")
    return steps


@command.command("switch")
@plan_option
@click.option(
    "--steps", default="10,50,100", show_default=True, callback=percents, help="Percents of the traffic; 100 alone is blue-green."
)
@click.option("--watch", "watch_s", type=click.FloatRange(1, 86_400), default=120, show_default=True, metavar="SECONDS", help="Each step.")
@json_option
def switch_command(path: Path, steps: list[int], watch_s: float, as_json: bool) -> None:
    """Give the traffic to the other colour, step by step, and drain the old one; go back at once when the gate says no.

    SIGINT, SIGTERM and SIGHUP take back what was begun. Exit code 0 when the other colour is live, 1 when everything is as it was.

    \b
    Examples:
      tidings release switch
      tidings release switch --steps 100 --watch 600
    """
    plan = read_plan(path)
    with only_release(plan.state):
        state = read_state(plan)
        if state.candidate is not None:
            raise click.ClickException("A release was left half-way: `tidings release rollback` takes it back.")
        end_by_signal()
        outcome = switch(plan, state.live, steps, watch_s, telling(as_json), Timing())
    show(outcome, as_json)
    sys.exit(0 if outcome.rollback_s is None else 1)


@command.command("rollback")
@plan_option
@click.option("--overlay", metavar="NAME", help="In Kubernetes: of k8s/overlays, in kubectl's current context.")
@click.option("--image", metavar="REF", help="With --overlay: only if this is what is deployed.")
@json_option
def rollback_command(path: Path, overlay: str | None, image: str | None, as_json: bool) -> None:
    """Give all of the traffic back to the colour before, and drain the other. Of a release under way, one left half-way, or the last one.

    A `switch` that runs goes back by itself when it is interrupted.

    \b
    Examples:
      tidings release rollback
      tidings release rollback --overlay production --image registry/tidings@sha256:…
    """
    if overlay is not None:
        if image is None:
            raise click.UsageError("--overlay needs --image.")
        was_there = cluster.rollback(cluster.Overlay(overlay), image, Timing())
        said = "What ran before has the traffic." if was_there else "Nothing to do: that image is not deployed."
        click.echo(json.dumps({"rolled_back": was_there}) if as_json else said)
        return
    plan = read_plan(path)
    with only_release(plan.state):
        outcome = roll_back(plan, read_state(plan), telling(as_json), Timing())
    show(outcome, as_json)


@command.command("apply")
@plan_option
def apply_command(path: Path) -> None:
    """Tell the proxy again what it should know: HAProxy forgets its weights when it is started again.

    \b
    Example:
      tidings release apply
    """
    plan = read_plan(path)
    state = read_state(plan)
    route(plan, state.shares)
    click.echo(sentence_of(state))


@command.command("status")
@plan_option
@json_option
def status_command(path: Path, as_json: bool) -> None:
    """Show which colour is live, what runs and in which version, and how far a release is.

    Exit code 0 when every process of the live colour is ready, 1 otherwise.

    \b
    Example:
      tidings release status
    """
    plan = read_plan(path)
    state = read_state(plan)
    colours = {name: look_at(colour) for name, colour in plan.colours.items()}
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(state) | {"shares": state.shares, "colours": colours}))
    else:
        click.echo(sentence_of(state))
        for name, servers in colours.items():
            for server, seen in servers.items():
                words = f"{seen['version']}, {seen['streams']} streams" if seen["version"] else "not there"
                click.echo(f"  {name: <8} {server: <16} {'ready' if seen['ready'] else 'not ready': <10} {words}")
    sys.exit(0 if all(seen["ready"] for seen in colours[state.live].values()) else 1)


def look_at(colour: Colour) -> dict[str, dict[str, Any]]:
    found = {}
    for server, address in colour.servers.items():
        text = metrics_of(address)
        streams = 0 if text is None else int(sample_of(text).streams)
        found[server] = {"ready": is_ready(address), "version": text and version_in(text), "streams": streams}
    return found


def sentence_of(state: State) -> str:
    since = f", since {state.at:%Y-%m-%d %H:%M:%S} UTC" if state.at else ""
    if state.candidate is not None:
        return f"{state.phase}: {state.candidate} has {state.share} %, {state.live} the rest{since}."
    reasons = f" Rolled back: {'; '.join(state.reasons)}." if state.reasons else ""
    return f"{state.live} is live{since}.{reasons}"


def telling(as_json: bool) -> Callable[[str], None]:
    """As it goes along; beside JSON on standard error."""
    return lambda text: say(text, err=as_json)


def show(outcome: Outcome, as_json: bool) -> None:
    say(json.dumps(msgspec.to_builtins(outcome._asdict())) if as_json else sentence_of(outcome.state))


def say(text: str, err: bool = False) -> None:
    """Whoever listened may be gone, as `tee` is after Ctrl-C; what is done does not depend on it."""
    with contextlib.suppress(OSError):
        click.echo(text, err=err)
