"""What a run has shown: `report.json` for programs, `report.html` for people. Locust's own page, with every request, lies beside it.

    python -m loadtests.scenarios.report <report.json >report.html

makes the page again, of a run that left nothing but its JSON in a log.
"""

import sys
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path

import msgspec

from loadtests.scenarios.verdict import MEASURED, Verdict

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 760, 190, 56, 24, 12
COLOURS = ("#2f6f9f", "#d1495b", "#1d8a6f")


class Point(msgspec.Struct, frozen=True):
    """One second, more or less. published: requests to publish, answered or not.   arrived: events.   Both since the point before.

    pending: accepted and not arrived.
    """

    at_s: float
    published: int
    arrived: int
    publish_p99_ms: float | None
    stream_p99_ms: float | None
    pending: int
    streams: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """seconds: with gathering and settling.   processes: of Locust.   told: what was wrong, in words.   failures: of requests."""

    scenario: str
    summary: str
    holds: bool
    verdicts: list[Verdict]
    measured: dict[str, float | None]
    seconds: float
    processes: int
    told: list[str]
    failures: list[str]
    points: list[Point]


def write(report: Report, folder: Path) -> None:
    (folder / "report.json").write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1))
    (folder / "report.html").write_text(page(report))


def table(report: Report) -> str:
    """For a terminal."""
    rows = [(mark(verdict.holds), verdict.name, number(verdict.value), str(verdict.bound)) for verdict in report.verdicts]
    lines = [f"{sign} {name: <18} {value: >10}   {bound}" for sign, name, value, bound in rows]
    return "\n".join([f"{report.scenario}: {'holds' if report.holds else 'DOES NOT HOLD'}", *lines, *(f"! {what}" for what in report.told)])


def mark(holds: bool) -> str:
    return "✓" if holds else "✗"


def number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if value == int(value) else f"{value:,.4g}"


STYLE = """
:root { color-scheme: light dark; font-family: system-ui, Helvetica, Arial, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #8884; vertical-align: top; }
td:first-child { white-space: nowrap; }
td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.good { color: #1d8a6f; } .bad { color: #d1495b; }
svg text { fill: currentColor; font-size: 11px; }
"""


def page(report: Report) -> str:
    judged = {verdict.name for verdict in report.verdicts}
    others = [(name, report.measured.get(name)) for name in MEASURED if name not in judged]
    word = '<b class="good">holds</b>' if report.holds else '<b class="bad">does not hold</b>'
    return "\n".join(
        [
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(report.scenario)}</title><style>{STYLE}</style>',
            f"<h1>{escape(report.scenario)}: {word}</h1><p>{escape(report.summary)}</p>",
            f"<p>{report.seconds:g} s, {report.processes} process(es) of Locust.</p>",
            '<table class="verdicts"><tr><th></th><th>threshold</th><th></th><th>measured</th><th>what it is</th></tr>',
            *(verdict_row(verdict) for verdict in report.verdicts),
            "</table><h2>Over time</h2>",
            *charts(report.points),
            "<h2>Also measured</h2><table>",
            *(f'<tr><td>{name}</td><td class="n">{number(value)}</td><td>{escape(MEASURED[name])}</td></tr>' for name, value in others),
            "</table>",
            *listed("What was wrong", report.told),
            *listed("Requests that failed", report.failures),
            "</html>\n",
        ]
    )


def verdict_row(verdict: Verdict) -> str:
    kind = "good" if verdict.holds else "bad"
    return (
        f'<tr><td class="{kind}">{mark(verdict.holds)} {"pass" if verdict.holds else "fail"}</td><td>{verdict.name}</td>'
        f'<td class="n">{escape(str(verdict.bound))}</td><td class="n">{number(verdict.value)}</td>'
        f"<td>{escape(MEASURED[verdict.name])}</td></tr>"
    )


def listed(title: str, what: Sequence[str]) -> list[str]:
    return [f"<h2>{title}</h2><ul>", *(f"<li>{escape(one)}</li>" for one in what), "</ul>"] if what else []


def charts(points: Sequence[Point]) -> list[str]:
    return [
        chart("A second", points, {"requests to publish": lambda p: p.published, "arrived at streams": lambda p: p.arrived}),
        chart("99th percentile, ms", points, {"publish": lambda p: p.publish_p99_ms, "publish → stream": lambda p: p.stream_p99_ms}),
        chart("Open streams", points, {"streams": lambda p: p.streams}),
        chart("Accepted and not arrived", points, {"pending": lambda p: p.pending}),
    ]


def chart(title: str, points: Sequence[Point], series: dict[str, Callable[[Point], float | None]]) -> str:
    """Lines over the seconds of a run, from 0 up."""
    ends = max((point.at_s for point in points), default=1.0) or 1.0
    top = max((value or 0 for point in points for value in (of(point) for of in series.values())), default=0) or 1
    parts = [
        f'<h3>{title}</h3><svg viewBox="0 0 {WIDTH} {HEIGHT}" width="100%" role="img" aria-label="{title}">',
        f'<path d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - 8}" fill="none" stroke="currentColor" opacity=".4"/>',
        f'<text x="{LEFT - 6}" y="{TOP + 8}" text-anchor="end">{number(float(f"{top:.3g}"))}</text>',
        f'<text x="{LEFT - 6}" y="{HEIGHT - BOTTOM}" text-anchor="end">0</text>',
        f'<text x="{WIDTH - 8}" y="{HEIGHT - 8}" text-anchor="end">{ends:.0f} s</text>',
    ]
    for index, (name, of) in enumerate(series.items()):
        placed = [(place(point.at_s / ends), level(value / top)) for point in points if (value := of(point)) is not None]
        corners, colour = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed), COLOURS[index]
        parts.append(f'<polyline points="{corners}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        parts.append(f'<text x="{LEFT + 10 + 160 * index}" y="{HEIGHT - 8}"><tspan fill="{colour}">●</tspan> {name}</text>')
    return "".join([*parts, "</svg>"])


def place(share: float) -> float:
    return LEFT + share * (WIDTH - LEFT - 8)


def level(share: float) -> float:
    return HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)


if __name__ == "__main__":
    sys.stdout.write(page(msgspec.json.decode(sys.stdin.buffer.read(), type=Report)))
