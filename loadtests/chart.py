"""The chart of a run: every figure that has a bound, as a share of that bound, with the peer on the same scale. SVG, drawn by hand."""

from collections.abc import Mapping, Sequence
from html import escape
from statistics import median

from loadtests.figures import Figure
from loadtests.report import bound_of, number
from loadtests.running import Outcome

ROW, TOP, LEFT, PLOT, RIGHT, FOOT = 30, 92, 500, 440, 270, 56
NAME, MOST_LETTERS = 84, 60
WIDTH = LEFT + PLOT + RIGHT
# The bound stands at two thirds of the plot; what goes beyond its end is cut there, and says so with its number.
MOST = 1.5

INK, FAINT, GRID = "#1f2933", "#6b7785", "#e3e8ee"
COLOURS = {True: "#1d8a6f", False: "#d1495b"}
PEER = "#e0a030"


def chart(outcomes: Sequence[Outcome], versions: Mapping[str, str]) -> str:
    rows = [figure for outcome in outcomes for figure in outcome.figures if share_of_bound(figure) is not None]
    bottom = TOP + ROW * len(rows)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + FOOT}" width="{WIDTH}" height="{bottom + FOOT}" '
        'font-family="system-ui, Helvetica, Arial, sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{bottom + FOOT}" fill="#ffffff"/>',
        text(24, 34, "Tidings against its bounds", size=20, weight=600),
        text(24, 56, "A bar that ends before the line holds its bound: shorter is better in every row.", colour=FAINT),
        *scale(bottom),
        *(part for index, figure in enumerate(rows) for part in row(figure, TOP + ROW * index)),
        *legend(bottom + 30),
        text(WIDTH - 24, bottom + 30, " · ".join(shown(versions)), colour=FAINT, anchor="end", size=11),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def share_of_bound(figure: Figure) -> float | None:
    """How much of what is allowed is used: up to 1 it holds."""
    if figure.holds is None:
        return None
    if figure.allowance is not None:
        allowed = median(figure.beside) + figure.allowance
        return figure.value / allowed if allowed else None
    measured = figure.ratio if figure.peer is not None else figure.value
    if not measured or not figure.limit:
        return 0.0
    return measured / figure.limit if figure.bound == "≤" else figure.limit / measured


def share_of_peer(figure: Figure) -> float | None:
    """Where the peer stands on the same scale."""
    if figure.peer is None:
        return None
    if figure.allowance is not None:
        return median(figure.beside) / (median(figure.beside) + figure.allowance)
    assert figure.limit
    return 1 / figure.limit if figure.bound == "≤" else figure.limit


def place(share: float) -> float:
    return LEFT + PLOT * min(share, MOST) / MOST


def scale(bottom: int) -> list[str]:
    marks = [text(place(share), TOP - 16, name, anchor="middle", size=11) for share, name in ((0.5, "half"), (1, "the bound"))]
    lines = [line(place(share), TOP - 6, bottom, GRID) for share in (0, 0.25, 0.5, 0.75, 1.25, 1.5)]
    return [*lines, line(place(1), TOP - 10, bottom, INK), *marks]


def row(figure: Figure, top: int) -> list[str]:
    share, peer = share_of_bound(figure), share_of_peer(figure)
    assert share is not None
    centre = top + ROW / 2
    width = max(place(share) - LEFT, 2)
    value = f"{number(figure.value)} {figure.unit}"
    parts = [
        text(24, centre + 4, figure.measure, colour=FAINT),
        text(24 + NAME, centre + 4, short(figure.what)),
        f'<rect x="{LEFT}" y="{top + 6}" width="{width:.1f}" height="{ROW - 12}" rx="3" fill="{COLOURS[bool(figure.holds)]}"/>',
        text(LEFT + PLOT + 16, centre + 4, value, weight=600),
        text(WIDTH - 24, centre + 4, bound_of(figure), colour=FAINT, anchor="end", size=11),
    ]
    if share > MOST:
        parts.append(text(LEFT + 10, centre + 4, f"{share:.1f} × the bound", colour="#ffffff", size=11))
    return parts + ([] if peer is None else mark(peer, centre))


def short(what: str) -> str:
    return what if len(what) <= MOST_LETTERS else what[: MOST_LETTERS - 1].rstrip(" ,") + "…"


def mark(share: float, centre: float) -> list[str]:
    """The peer: a diamond, or beyond the end an arrow."""
    x = place(share)
    if share <= MOST:
        return [f'<path d="M{x:.1f} {centre - 7} l7 7 l-7 7 l-7 -7 z" fill="{PEER}" stroke="#ffffff"/>']
    return [f'<path d="M{x:.1f} {centre - 6} l9 6 l-9 6 z" fill="{PEER}"/>']


def legend(y: int) -> list[str]:
    return [
        f'<rect x="24" y="{y - 10}" width="14" height="12" rx="2" fill="{COLOURS[True]}"/>',
        text(44, y, "holds"),
        f'<rect x="94" y="{y - 10}" width="14" height="12" rx="2" fill="{COLOURS[False]}"/>',
        text(114, y, "does not"),
        f'<path d="M190 {y - 11} l7 7 l-7 7 l-7 -7 z" fill="{PEER}"/>',
        text(204, y, "the peer (▶ beyond the scale)"),
    ]


def line(x: float, top: float, bottom: float, colour: str) -> str:
    return f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}" stroke="{colour}"/>'


def text(x: float, y: float, content: str, *, colour: str = INK, anchor: str = "start", size: int = 13, weight: int = 400) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}" font-size="{size}" font-weight="{weight}">'
        f"{escape(content)}</text>"
    )


def shown(versions: Mapping[str, str]) -> list[str]:
    return [f"{name} {versions[name]}" for name in ("Tidings", "machine", "kernel", "Nchan") if name in versions]
