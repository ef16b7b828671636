"""What a figure says in the table and on the chart is what it holds."""

import msgspec
import pytest

from loadtests.chart import chart, share_of_bound
from loadtests.figures import Figure, Form
from loadtests.report import as_json, bound_of, cells, number, table
from loadtests.running import Outcome

HELD = Figure(measure="fanout", what="a", unit="µs", rounds=[8, 7, 9], peer="Nchan", beside=[10, 10, 10], bound="≤", limit=0.85)
BROKEN = Figure(measure="fanout", what="b", unit="1/s", rounds=[100], bound="≥", limit=250)
LATER = Figure(measure="latency", what="c", unit="ms", rounds=[25], peer="Nchan", beside=[20], allowance=8)
LONE = Figure(measure="fanout", what="d", unit="µs", rounds=[8], peer="Nchan", beside=[], bound="≤", limit=0.85)


@pytest.mark.parametrize(
    ("figure", "row"),
    [
        (HELD, ("a", "8", "µs", "Nchan 10", "0.8", "≤ 0.85 × Nchan", "✓")),
        (BROKEN, ("b", "100", "1/s", "", "", "≥ 250 1/s", "✗")),
        (LATER, ("c", "25", "ms", "Nchan 20", "1.25", "≤ Nchan + 8 ms", "✓")),
        (LONE, ("d", "8", "µs", "Nchan", "", "≤ 0.85 × Nchan", "–")),
    ],
)
def test_a_row(figure: Figure, row: tuple[str, ...]) -> None:
    assert cells(figure) == row


@pytest.mark.parametrize("figure", [HELD, BROKEN, LATER])
def test_a_bar_ends_before_the_bound_exactly_when_it_holds(figure: Figure) -> None:
    share = share_of_bound(figure)

    assert share is not None
    assert (share <= 1) == figure.holds


def test_what_failed_or_was_skipped_is_said() -> None:
    outcomes = [
        Outcome(measure="fanout", seconds=3, figures=[HELD, LONE]),
        Outcome(measure="bursts", seconds=0, skipped="no compiler"),
        Outcome(measure="idle", seconds=1, failed="OSError: away"),
    ]
    said = table(outcomes)

    assert "bursts (0 s): skipped, no compiler" in said
    assert "idle (1 s): FAILED, OSError: away" in said
    assert [outcome.holds for outcome in outcomes] == [True, True, False]
    # A figure that nothing was held against is in the table, and not on the chart.
    assert ">a</text>" in chart(outcomes, {})
    assert ">d</text>" not in chart(outcomes, {})


def test_json_says_what_follows_from_the_figures() -> None:
    read = msgspec.json.decode(as_json([Outcome(measure="fanout", seconds=3, figures=[HELD])], Form(), {"Python": "3"}))

    assert read["versions"] == {"Python": "3"}
    [figure] = read["measures"][0]["figures"]
    assert (figure["value"], figure["ratio"], figure["holds"]) == (8, 0.8, True)


def test_numbers_are_short() -> None:
    assert [number(value) for value in (0, 0.02345, 7.654, 123.4, 12345.6)] == ["0", "0.0234", "7.65", "123", "12,346"]
    assert bound_of(HELD) == "≤ 0.85 × Nchan"
