"""What the gate counts, and when it says no."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from releases.played import Shown, process

from tidings.cli.release_gate import gate
from tidings.errors import Misconfigured
from tidings.releases.figures import MISSES, Figures, Watched
from tidings.releases.gate import judge, with_own
from tidings.releases.plan import Colour, read_plan
from tidings.releases.proxies import weights_of

GOOD = Figures(
    minutes=1,
    requests=1000,
    server_errors=1,
    writes=1000,
    late_writes=1,
    stream_minutes=100,
    ended_streams=10,
    attempts=100,
    failed_attempts=2,
)


def changed(**members: float) -> Figures:
    return Figures(**({name: getattr(GOOD, name) for name in Figures.__struct_fields__} | members))


def failed(new: Figures, old: Figures | None = GOOD) -> set[str]:
    return {one.figure for one in judge(new, old).figures if one.state == "fail"}


def test_what_is_as_good_as_before_passes() -> None:
    assert judge(GOOD, GOOD).passed
    assert judge(GOOD, None).passed


@pytest.mark.parametrize(
    ("figure", "bad"),
    [
        ("http_errors", changed(server_errors=30)),
        ("refused", changed(refused=60)),
        ("stream_lag", changed(late_writes=30)),
        ("reconnects", changed(ended_streams=300)),
        ("delivery", changed(failed_attempts=20)),
        ("failures", changed(failures=5)),
    ],
)
def test_what_is_worse_fails_and_says_so(figure: str, bad: Figures) -> None:
    assert failed(bad) == {figure}
    (reason,) = judge(bad, GOOD).reasons
    assert reason.startswith(figure)


def test_what_ails_both_versions_is_not_the_new_ones_fault_up_to_a_point() -> None:
    assert failed(changed(failed_attempts=30), old=changed(failed_attempts=25)) == set()
    assert failed(changed(server_errors=300), old=changed(server_errors=300)) == {"http_errors"}


def test_too_little_is_not_judged() -> None:
    few = Figures(minutes=1, requests=3, server_errors=3)
    states = {one.figure: one.state for one in judge(few, GOOD).figures}
    assert states["http_errors"] == states["delivery"] == "not judged"


def test_a_process_that_is_away_fails() -> None:
    assert failed(Figures(minutes=1, missing=("127.0.0.1:8010",))) == {"processes"}


def test_thresholds_are_data() -> None:
    own = with_own({"http_errors": {"at_most": 0.0, "times_old": 0.0}})
    assert not judge(GOOD, GOOD, own).passed
    with pytest.raises(Misconfigured, match=r"thresholds\.http_errors\.most"):
        with_own({"http_errors": {"most": 1}})
    with pytest.raises(Misconfigured, match="nothing"):
        with_own({"nothing": {}})


@pytest.mark.parametrize("option", ["--overlay", "--new", "--old"])
def test_what_only_prometheus_can_answer_is_not_asked_of_the_plan(option: str) -> None:
    done = CliRunner().invoke(gate, [option, "production", "--minutes", "0"])
    assert (done.exit_code, "need --prometheus" in done.output) == (2, True)


def test_weights_give_each_colour_its_share_whatever_its_number_of_servers() -> None:
    colours = {"blue": Colour({"b1": "", "b2": "", "b3": ""}), "green": Colour({"g1": ""})}
    weights = dict(weights_of(colours, {"blue": 75, "green": 25}))
    assert weights["b1"] == weights["b2"] == weights["b3"] == weights["g1"]
    assert dict(weights_of(colours, {"green": 100})) == {"b1": 0, "b2": 0, "b3": 0, "g1": 256}


def test_the_plan_of_the_documentation_is_one_and_a_wrong_one_names_its_member(tmp_path: Path) -> None:
    documented = Path(__file__).parents[2] / "docs" / "releases" / "release.toml"
    assert read_plan(documented).other("blue") == "green"
    wrong = tmp_path / "release.toml"
    wrong.write_text(documented.read_text().replace('kind = "nginx"', 'kind = "apache"'))
    with pytest.raises(Misconfigured, match=r"\$\.proxy"):
        read_plan(wrong)
    with pytest.raises(Misconfigured, match="--plan"):
        read_plan(tmp_path / "none.toml")


@pytest.fixture
def shown() -> Iterator[tuple[Shown, str]]:
    with process() as shown:
        yield shown


def text(requests: int, errors: int, opened: int, streams: int, refused: int = 0) -> str:
    return (
        "# TYPE tidings_requests counter\n"
        f'tidings_requests_total{{status="200"}} {requests - refused}\ntidings_requests_total{{status="503"}} {errors}\n'
        f'tidings_requests_total{{status="401"}} {refused}\n'
        "# TYPE tidings_streams_opened counter\n"
        f'tidings_streams_opened_total{{replay="none"}} {opened}\n'
        "# TYPE tidings_stream_lag_seconds histogram\n"
        f'tidings_stream_lag_seconds_bucket{{le="1.0"}} {requests}\ntidings_stream_lag_seconds_bucket{{le="+Inf"}} {requests + errors}\n'
        f"tidings_stream_lag_seconds_count {requests + errors}\ntidings_stream_lag_seconds_sum 1\n"
        f"# TYPE tidings_streams gauge\ntidings_streams {streams}\n"
    )


def test_only_what_came_to_pass_while_watched_counts_also_over_a_restart(shown: tuple[Shown, str]) -> None:
    process, address = shown
    now = [0.0]
    watched = Watched([address], lambda: now[0])
    process.text = text(1000, 100, 500, 50)
    assert watched.look() == Figures()

    now[0], process.text = 60.0, text(1010, 102, 510, 40, refused=3)
    seen = watched.look()
    assert (seen.requests, seen.server_errors, seen.refused, seen.writes, seen.late_writes) == (12, 2, 3, 12, 2)
    # Ten were opened, and there are ten fewer.
    assert (seen.ended_streams, seen.stream_minutes, seen.minutes) == (20, 40, 1)

    now[0], process.text = 120.0, text(5, 1, 3, 3)
    again = watched.look()
    assert (again.requests, again.server_errors) == (18, 3)
    assert again.ended_streams == 20


def test_a_process_is_missing_after_several_looks_and_back_at_once(shown: tuple[Shown, str]) -> None:
    process, address = shown
    watched = Watched([address], lambda: 0.0)
    process.text = None
    assert [bool(watched.look().missing) for _ in range(MISSES)] == [False] * (MISSES - 1) + [True]
    process.text = ""
    assert watched.look().missing == ()
