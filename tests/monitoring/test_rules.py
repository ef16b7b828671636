"""Prometheus' rules and Alertmanager's configuration, as their own programs read them."""

import re
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from monitoring.rules import ALERTMANAGER, CASES, MONITORING, ROOT, RULES, alerts, run


async def test_prometheus_and_alertmanager_accept_what_we_wrote() -> None:
    for program, what, *files in (
        ("promtool", "check", "rules", *map(str, RULES)),
        ("promtool", "check", "config", str(MONITORING / "prometheus.yml")),
        ("amtool", "check-config", str(ALERTMANAGER)),
    ):
        code, said = await run(program, what, *files)
        assert code == 0, said


@pytest.mark.parametrize("cases", CASES, ids=lambda path: path.stem)
async def test_alerts_fire_when_they_should_and_only_then(cases: Path) -> None:
    code, said = await run("promtool", "test", "rules", cases)
    assert code == 0, said


def test_each_alert_is_shown_to_fire_and_not_to_fire() -> None:
    fired, silent = set[str](), set[str]()
    for path in CASES:
        for case in yaml.safe_load(path.read_text())["tests"]:
            named = set(re.findall(r"Tidings[A-Za-z]+", str(case["promql_expr_test"])))
            asked = case["promql_expr_test"]
            fires = set(re.findall(r'alertname="(Tidings[A-Za-z]+)"', str([one.get("exp_samples", []) for one in asked])))
            assert named - {"TidingsWatchdog", "TidingsProcessMissing"} <= fires | {"TidingsDeliveriesBurn"}, case["name"]
            fired |= fires
            # Asked for before it fires, with all the series there.
            silent |= {name for name in fires if any(name not in str(one.get("exp_samples", [])) for one in asked)}
    assert fired == set(alerts())
    assert silent == fired - {"TidingsWatchdog"}


def test_each_alert_says_whom_it_calls_what_it_means_and_what_to_do() -> None:
    for name, alert in alerts().items():
        assert alert["labels"]["severity"] in ("page", "ticket", "none"), name
        assert alert["annotations"]["summary"] and alert["annotations"]["description"], name
        assert (ROOT / alert["annotations"]["runbook"]).is_file(), name


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (("alertname=TidingsPostgresLost", "severity=page"), "page"),
        (("alertname=TidingsBreakersOpen", "severity=ticket"), "ticket"),
        (("alertname=TidingsWatchdog", "severity=none"), "watchdog"),
        (("alertname=SomebodyElses",), "ticket"),
    ],
)
async def test_who_is_told_depends_on_the_severity(labels: tuple[str, ...], receiver: str) -> None:
    code, said = await run("amtool", "config", "routes", "test", f"--config.file={ALERTMANAGER}", f"--verify.receivers={receiver}", *labels)
    assert code == 0, said


def test_what_is_inhibited_exists() -> None:
    """A name that was changed in the rules only would inhibit nothing, silently."""
    known = set(alerts())
    for rule in yaml.safe_load(ALERTMANAGER.read_text())["inhibit_rules"]:
        for matcher in rule["source_matchers"] + rule["target_matchers"]:
            for pattern in re.findall(r"Tidings[A-Za-z.*]+", matcher):
                assert any(re.fullmatch(pattern, name) for name in known), pattern
