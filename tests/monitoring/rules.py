"""The rules, dashboards and Alertmanager's configuration as files, and the programs that read them."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "k8s" / "monitoring"
RULES = sorted((MONITORING / "rules").glob("*.yml"))
CASES = sorted((MONITORING / "rules" / "tests").glob("*.yml"))
DASHBOARDS = sorted((MONITORING / "dashboards").glob("*.json"))
ALERTMANAGER = MONITORING / "alertmanager.yml"

NAME = re.compile(r"\b(?:tidings|process|python)_[a-z0-9_]+\b")


def alerts() -> dict[str, Any]:
    """By their names."""
    rules = [rule for path in RULES for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]
    return {rule["alert"]: rule for rule in rules if "alert" in rule}


def rule_expressions() -> list[str]:
    return [rule["expr"] for path in RULES for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


def dashboard_expressions() -> list[str]:
    """Of panels and annotations; Grafana puts a span of time where its own variable stands."""
    found: list[str] = []
    for path in DASHBOARDS:
        dashboard = json.loads(path.read_text())
        found += [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
        found += [one["expr"] for one in dashboard["annotations"]["list"]]
    return [expression.replace("$__rate_interval", "5m") for expression in found]


def metrics_in(expression: str) -> set[str]:
    """Names of series that Tidings must show; those of recording rules have colons."""
    bare = re.sub(r'"[^"]*"', '""', expression)
    return {name for name in NAME.findall(bare) if not re.search(rf"\b{name}\s*:|:{name}", bare)}


async def run(*command: str | Path, within: float = 120) -> tuple[int, str]:
    """Exit code, and all that it said."""
    process = await asyncio.create_subprocess_exec(*map(str, command), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
    said, _ = await asyncio.wait_for(process.communicate(), within)
    assert process.returncode is not None
    return process.returncode, said.decode()
