"""Grafana's dashboards: written by their builder, asking what Prometheus understands."""

import json
import runpy
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from monitoring.rules import DASHBOARDS, MONITORING, dashboard_expressions, run

BUILD = runpy.run_path(str(MONITORING / "dashboards" / "build.py"))


def test_the_files_are_what_the_builder_writes() -> None:
    built = {dashboard.file: BUILD["text_of"](dashboard) for dashboard in BUILD["DASHBOARDS"]}
    assert {path.name: path.read_text() for path in DASHBOARDS} == built


async def test_prometheus_understands_every_question(tmp_path: Path) -> None:
    rules = [{"record": f"question:{number}", "expr": expression} for number, expression in enumerate(dashboard_expressions())]
    assert len(rules) > 50
    path = tmp_path / "questions.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboards", "rules": rules}]}))
    code, said = await run("promtool", "check", "rules", path)
    assert code == 0, said


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_panels_have_ids_of_their_own_and_do_not_lie_on_one_another(path: Path) -> None:
    dashboard = json.loads(path.read_text())
    assert dashboard["uid"] and dashboard["title"]
    panels: list[Any] = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24 and not taken & cells, panel["title"]
        taken |= cells
    assert all(panel["type"] == "row" or panel["targets"] for panel in panels)
