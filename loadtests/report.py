"""The table that `python -m loadtests` prints, and the same as JSON."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from statistics import median
from typing import Any

import msgspec

from loadtests.figures import Figure, Form
from loadtests.running import Outcome

HEAD = ("figure", "value", "unit", "beside", "ratio", "bound", "holds")
MARKS = {True: "✓", False: "✗", None: "–"}


def table(outcomes: Sequence[Outcome]) -> str:
    """One block a measure. A ratio is the median of the rounds' own, so it need not be value ÷ beside."""
    rows = [cells(figure) for outcome in outcomes for figure in outcome.figures]
    widths = [max(map(len, column)) for column in zip(HEAD, *rows, strict=True)]
    lines = [line(HEAD, widths), line(["─" * width for width in widths], widths)]
    for outcome in outcomes:
        lines.append(f"{outcome.measure} ({outcome.seconds:.0f} s){remark(outcome)}")
        for figure in outcome.figures:
            lines.append(line(cells(figure), widths))
            if figure.note:
                lines.append(f"      {figure.note}")
    return "\n".join(lines)


def line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = (
        cell.ljust(width) if index in (0, 2, 5) else cell.rjust(width) for index, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return ("  " + "  ".join([first, *rest])).rstrip()


def remark(outcome: Outcome) -> str:
    if outcome.skipped:
        return f": skipped, {outcome.skipped}"
    return f": FAILED, {outcome.failed}" if outcome.failed else ""


def cells(figure: Figure) -> tuple[str, ...]:
    beside = f"{figure.peer} {number(median(figure.beside))}" if figure.peer and figure.beside else (figure.peer or "")
    ratio = "" if figure.ratio is None else number(figure.ratio)
    return figure.what, number(figure.value), figure.unit, beside, ratio, bound_of(figure), MARKS[figure.holds]


def bound_of(figure: Figure) -> str:
    if figure.allowance is not None:
        return f"≤ {figure.peer} + {number(figure.allowance)} {figure.unit}"
    if figure.bound is None or figure.limit is None:
        return ""
    return f"{figure.bound} {number(figure.limit)}" + (f" × {figure.peer}" if figure.peer else f" {figure.unit}")


def number(value: float) -> str:
    """Three digits that matter, thousands kept apart."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 else f"{value:.1e}"


def heading(versions: Mapping[str, str]) -> str:
    width = max(map(len, versions))
    return "\n".join(f"{name.ljust(width)}  {version}" for name, version in versions.items())


def as_json(outcomes: Sequence[Outcome], form: Form, versions: Mapping[str, str]) -> bytes:
    content = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "form": "long" if form.is_long else "quick",
        "rounds": form.rounds,
        "versions": versions,
        "measures": [described(outcome) for outcome in outcomes],
    }
    return msgspec.json.format(msgspec.json.encode(content), indent=2)


def described(outcome: Outcome) -> dict[str, Any]:
    """With what follows from the figures, so that a reader of the JSON need not know the rules."""
    derived = [{"value": figure.value, "ratio": figure.ratio, "holds": figure.holds} for figure in outcome.figures]
    figures = [msgspec.to_builtins(figure) | more for figure, more in zip(outcome.figures, derived, strict=True)]
    return {**msgspec.to_builtins(outcome), "figures": figures}
