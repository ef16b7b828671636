"""What one Locust process can carry: `python -m loadtests.scenarios.limit`. Against a server that does nothing (standin.py).

Rates double, a stage of a few seconds each; what it carries is the last of which 95 % came about. Sending: notifications to one person
each. Listening: few notifications that go to all streams. It needs two processors that do nothing else, or it measures them.
"""

import asyncio
import itertools
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import click
import msgspec

from loadtests.scenarios.report import Point
from loadtests.scenarios.running import ROOT, Ask, listening, run
from loadtests.scenarios.scenario import load
from tidings.platform.embedded.memory import free_port

STREAMS = 200
REACHED = 0.95
SENDING = (50, 100, 200, 400, 800, 1600, 3200)
LISTENING = (5, 10, 20, 40, 80, 160, 320)


class Carried(NamedTuple):
    """Of one stage, a second. asked: events, as many as it would be if all came about."""

    asked: float
    published: float
    arrived: float
    stream_p99_ms: float | None


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seconds", type=click.IntRange(5, 60), default=6, show_default=True, help="Of each stage.")
@click.option("--json", "as_json", is_flag=True, help="Print the stages as JSON.")
def main(seconds: int, as_json: bool) -> None:
    """Find what one process of Locust can send, and what it can listen to."""
    stages = {
        "sending": asyncio.run(measured("sending", SENDING, 200, 1, seconds)),
        "listening": asyncio.run(measured("listening", LISTENING, 5, STREAMS, seconds)),
    }
    if as_json:
        click.echo(msgspec.json.encode({name: [one._asdict() for one in found] for name, found in stages.items()}))
        return
    for name, found in stages.items():
        for one in found:
            click.echo(
                f"{name}: asked {one.asked:,.0f}, sent {one.published:,.0f}, heard {one.arrived:,.0f} a second; p99 {one.stream_p99_ms} ms"
            )
        held = [one.arrived for one in found if one.arrived >= REACHED * one.asked]
        click.echo(
            f"{name}: one process carries {max(held, default=0):,.0f} a second, and no more than {max(one.arrived for one in found):,.0f}"
        )


async def measured(name: str, rates: Sequence[int], publishers: int, events: int, seconds: int) -> list[Carried]:
    """events: of each notification; of one for nobody in particular as many as there are streams."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="tidings-load-") as folder:
        path = Path(folder) / f"{name}.toml"
        path.write_text(plan(rates, publishers, is_for_all=events > 1, seconds=seconds))
        server = await asyncio.create_subprocess_exec(sys.executable, "-m", "loadtests.scenarios.standin", str(port), cwd=ROOT)
        try:
            await listening(port)
            ask = Ask(str(path), f"http://127.0.0.1:{port}", "", "none", "", "", 1, Path(folder) / "reports")
            report = await run(ask, load(str(path)), sys.stderr.fileno())
        finally:
            server.terminate()
            await server.wait()
    return [carried(report.points, index * seconds, seconds, rate * events) for index, rate in enumerate(rates)]


def plan(rates: Sequence[int], publishers: int, *, is_for_all: bool, seconds: int) -> str:
    stages = "".join(f"[[stages]]\nseconds = {seconds}\nrate = {rate}\n" for rate in rates)
    topic = f"[topic]\nshare = 1.0\nmembers = {STREAMS}\n" if is_for_all else ""
    users = f"[users]\npublishers = {publishers}\nlisteners = {STREAMS}\n"
    return f'summary = "limit"\nsettle_s = 20\n{users}{stages}{topic}[thresholds]\nlost.most = 0\n'


def carried(points: Sequence[Point], begins: float, seconds: float, asked: float) -> Carried:
    """Of a stage without its first second, in which it is still the one before."""
    inside = [
        (before, point) for before, point in itertools.pairwise(points) if begins + 1 <= before.at_s and point.at_s <= begins + seconds
    ]
    took = sum(point.at_s - before.at_s for before, point in inside) or 1.0
    slowest = max((point.stream_p99_ms or 0.0 for _, point in inside), default=None)
    return Carried(asked, sum(point.published for _, point in inside) / took, sum(point.arrived for _, point in inside) / took, slowest)


if __name__ == "__main__":
    main()
