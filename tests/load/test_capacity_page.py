"""docs/capacity.md: the figures and alerts that it tells people to look at exist."""

import re

from deployment.manifests import ROOT

PAGE = (ROOT / "docs" / "capacity.md").read_text()


def test_its_figures_and_alerts_are_those_of_the_product() -> None:
    metrics = set(re.findall(r'"(tidings_\w+)"', (ROOT / "src" / "tidings" / "platform" / "metrics.py").read_text()))
    rules = "".join(path.read_text() for path in (ROOT / "k8s" / "monitoring" / "rules").glob("*.yml"))

    named = set(re.findall(r"`(tidings_\w+)`", PAGE))
    assert named
    assert named <= metrics
    alerts = set(re.findall(r"`(Tidings\w+)`", PAGE))
    assert alerts
    assert alerts <= set(re.findall(r"alert: (\w+)", rules))


def test_its_settings_exist() -> None:
    settings = (ROOT / "docs" / "settings.md").read_text()

    assert {name for name in re.findall(r"`(TIDINGS_\w+)`", PAGE) if f"`{name}`" not in settings} == set()
