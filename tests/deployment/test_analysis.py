"""What Argo asks Prometheus of a new version, and KEDA of the load: by figures that exist, and answered as meant by Prometheus itself."""

import re
from pathlib import Path

import prometheus_client
import yaml  # type: ignore[import-untyped]
from deployment.manifests import of_kind, rendered
from monitoring.rules import metrics_in, run

from tidings.platform import metrics

# The new version's pods came an hour after the old ones' first sample: what was there before is the measure.
STEP = "15s"
AN_HOUR = 240
NOW = "2h"
OLD = 'namespace="tidings",rollouts_pod_template_hash="old"'
NEW = 'namespace="tidings",rollouts_pod_template_hash="new"'
Series = dict[str, str]


def questions() -> dict[str, str]:
    """Of every analysis, by its name, about pods of the hash `new`."""
    found = {}
    for template in of_kind(rendered()["production"], "AnalysisTemplate").values():
        for metric in template["spec"]["metrics"]:
            query = metric["provider"]["prometheus"]["query"]
            found[metric["name"]] = re.sub(r"\{\{args\.(\w+)\}\}", lambda name: "tidings" if name[1] == "namespace" else "new", query)
    return found


def triggers() -> list[str]:
    scalers = of_kind(rendered()["production"], "ScaledObject").values()
    return [one["metadata"]["query"] for scaler in scalers for one in scaler["spec"]["triggers"] if one["type"] == "prometheus"]


def steadily(a_step: int) -> str:
    """A counter that is there all the time."""
    return f"0+{a_step}x{3 * AN_HOUR}"


def lately(a_step: int) -> str:
    """A counter that began to count an hour ago."""
    return f"0x{AN_HOUR} 0+{a_step}x{2 * AN_HOUR}"


GOOD: Series = {
    f"tidings_build_info{{{OLD}}}": f"1x{3 * AN_HOUR}",
    f"tidings_build_info{{{NEW}}}": f"_x{AN_HOUR} 1x{2 * AN_HOUR}",
    f'tidings_requests_total{{status="202",{OLD}}}': steadily(100),
    f'tidings_requests_total{{status="202",{NEW}}}': lately(100),
    f'tidings_stream_lag_seconds_bucket{{le="1.0",{OLD}}}': steadily(100),
    f"tidings_stream_lag_seconds_count{{{OLD}}}": steadily(100),
    f'tidings_stream_lag_seconds_bucket{{le="1.0",{NEW}}}': lately(100),
    f"tidings_stream_lag_seconds_count{{{NEW}}}": lately(100),
    f"tidings_streams{{{OLD}}}": f"1000x{3 * AN_HOUR}",
    f"tidings_streams{{{NEW}}}": f"0x{AN_HOUR} 1000x{2 * AN_HOUR}",
    f'tidings_streams_opened_total{{replay="window",{OLD}}}': steadily(20),
    f'tidings_streams_opened_total{{replay="window",{NEW}}}': lately(20),
    f'tidings_delivery_attempts_total{{outcome="delivered",{OLD}}}': steadily(100),
    f'tidings_delivery_attempts_total{{outcome="delivered",{NEW}}}': lately(100),
    f'tidings_deliveries_total{{outcome="delivered",{OLD}}}': steadily(100),
    f'tidings_deliveries_total{{outcome="delivered",{NEW}}}': lately(100),
    f"tidings_deliveries_overdue_seconds{{{OLD}}}": f"1x{3 * AN_HOUR}",
}
# What goes wrong, with the only figures that then say no.
CASES: dict[str, tuple[Series, set[str]]] = {
    "all is well": ({}, set()),
    "nobody asks the new pods for their figures": ({f"tidings_build_info{{{NEW}}}": f"_x{3 * AN_HOUR}"}, {"watched"}),
    "the new version answers 500": ({f'tidings_requests_total{{status="500",{NEW}}}': lately(3)}, {"http-errors"}),
    "it answers 500 as often as the old one": (
        {f'tidings_requests_total{{status="500",{OLD}}}': steadily(3), f'tidings_requests_total{{status="500",{NEW}}}': lately(3)},
        set(),
    ),
    "it answers nothing else": (
        {
            f'tidings_requests_total{{status="202",{NEW}}}': lately(0),
            f'tidings_requests_total{{status="500",{NEW}}}': lately(30),
            f'tidings_requests_total{{status="500",{OLD}}}': steadily(50),
        },
        {"http-errors"},
    ),
    "it fails in ways that nobody foresaw": ({f'tidings_errors_total{{where="x",{NEW}}}': lately(1)}, {"failures"}),
    "its streams lag": ({f'tidings_stream_lag_seconds_bucket{{le="1.0",{NEW}}}': lately(97)}, {"stream-lag"}),
    "its streams end and come back, each each half minute": (
        {f'tidings_streams_opened_total{{replay="window",{NEW}}}': lately(500)},
        {"reconnects"},
    ),
    "it does not understand cursors": ({f'tidings_streams_opened_total{{replay="reset",{NEW}}}': lately(5)}, {"resets"}),
    "its deliveries fail": ({f'tidings_delivery_attempts_total{{outcome="retry",{NEW}}}': lately(10)}, {"delivery"}),
    "an endpoint has been down since yesterday": (
        {
            f'tidings_delivery_attempts_total{{outcome="retry",{OLD}}}': steadily(10),
            f'tidings_delivery_attempts_total{{outcome="retry",{NEW}}}': lately(10),
        },
        set(),
    ),
    "its deliveries are given up": ({f'tidings_deliveries_total{{outcome="dead",{NEW}}}': lately(2)}, {"dead"}),
    "it sends nothing": ({f"tidings_deliveries_overdue_seconds{{{OLD}}}": f"1x{AN_HOUR} 0+2x{2 * AN_HOUR}"}, {"overdue"}),
    "too little happens to tell": (
        {f'tidings_requests_total{{status="202",{NEW}}}': lately(0), f'tidings_requests_total{{status="500",{NEW}}}': lately(0)},
        set(),
    ),
}


def exported() -> set[str]:
    found = set[str]()
    for metric in vars(metrics).values():
        if isinstance(metric, prometheus_client.metrics.MetricWrapperBase):
            for family in metric.describe():
                suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}.get(family.type, ("",))
                found |= {family.name + suffix for suffix in suffixes}
    return found


def labels_of(name: str) -> set[str]:
    [labels] = {
        metric._labelnames
        for metric in vars(metrics).values()
        if isinstance(metric, prometheus_client.metrics.MetricWrapperBase) and metric._name == re.sub(r"_(total|bucket|count)$", "", name)
    }
    return set(labels)


def test_every_figure_is_one_that_tidings_shows() -> None:
    asked = [*questions().values(), *triggers()]
    assert len(questions()) == 9
    assert len(triggers()) == 4
    for query in asked:
        assert metrics_in(query) and metrics_in(query) <= exported(), query
        for name, selected in re.findall(r"(tidings_\w+)\{([^}]*)\}", query):
            of_pods = {"namespace", "rollouts_pod_template_hash", "le"}
            assert set(re.findall(r"(\w+)=?[=~!]", selected)) <= labels_of(name) | of_pods, query


async def test_prometheus_understands_every_question(tmp_path: Path) -> None:
    rules = [{"record": f"question:{number}", "expr": query} for number, query in enumerate([*questions().values(), *triggers()])]
    path = tmp_path / "questions.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "questions", "rules": rules}]}))
    code, said = await run("promtool", "check", "rules", path)
    assert code == 0, said


async def test_a_new_version_is_refused_for_what_it_does_and_for_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text("groups: []\n")
    tests = [
        {
            "name": name,
            "interval": STEP,
            "input_series": [{"series": series, "values": values} for series, values in (GOOD | wrong).items()],
            "promql_expr_test": [asked(question, query, question in refused) for question, query in questions().items()],
        }
        for name, (wrong, refused) in CASES.items()
    ]
    path = tmp_path / "cases.yml"
    path.write_text(yaml.safe_dump({"rule_files": ["rules.yml"], "evaluation_interval": STEP, "tests": tests}))
    code, said = await run("promtool", "test", "rules", path)
    assert code == 0, said


def asked(question: str, query: str, is_refused: bool) -> dict[str, object]:
    """`watched` wants an answer, all others want none. Whatever the answer is: to the power of 0 it is 1."""
    answers = is_refused != (question == "watched")
    return {"expr": f"(\n{query}) ^ 0", "eval_time": NOW, "exp_samples": [{"labels": "{}", "value": 1}] if answers else []}


def test_each_question_was_shown_to_refuse() -> None:
    assert set.union(*(refused for _, refused in CASES.values())) == set(questions())
