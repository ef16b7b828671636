"""A real Prometheus scrapes every process: it understands each question of the dashboards, and on a healthy Tidings no alert is near."""

import asyncio
import shutil
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
import yaml  # type: ignore[import-untyped]
from running import until

from monitoring.rules import RULES, dashboard_expressions
from monitoring.shown import Shown, use
from tidings.platform.embedded.memory import free_port
from tidings.releases.prometheus import NOBODY, figures_of

QUICKLY = "1s"


class Prometheus:
    def __init__(self, base_url: str) -> None:
        self.base_url = base_url

    async def get(self, path: str, **parameters: str) -> Any:
        async with aiohttp.ClientSession() as session, session.get(f"{self.base_url}/api/v1/{path}", params=parameters) as answer:
            return await answer.json()

    async def has_looked(self) -> bool:
        """Whether every target was scraped and every rule evaluated, twice."""
        try:
            targets = (await self.get("targets"))["data"]["activeTargets"]
            ups = (await self.get("query", query="min(count_over_time(up[1m])) >= 2 and min(up) == 1"))["data"]["result"]
            rules = [rule for group in (await self.get("rules"))["data"]["groups"] for rule in group["rules"]]
        except aiohttp.ClientError:
            return False
        return bool(targets and ups and rules) and all(rule["health"] == "ok" for rule in rules)


@pytest.fixture(scope="module")
async def prometheus(shown: Shown, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Prometheus]:
    program = shutil.which("prometheus")
    assert program is not None, ".ci/system-packages brings it"
    folder, port = tmp_path_factory.mktemp("prometheus"), free_port()
    jobs = [{"job_name": "tidings", "static_configs": [{"targets": [urlsplit(url).netloc for url in shown.urls.values()]}]}]
    settings = {"scrape_interval": QUICKLY, "scrape_timeout": QUICKLY, "evaluation_interval": QUICKLY}
    # Its own interval would make the rules of levels wait for half a minute.
    rules = [path.read_text().replace("interval: 30s", f"interval: {QUICKLY}") for path in RULES]
    for path, text in zip(RULES, rules, strict=True):
        (folder / path.name).write_text(text)
    (folder / "prometheus.yml").write_text(
        yaml.safe_dump({"global": settings, "rule_files": [path.name for path in RULES], "scrape_configs": jobs})
    )
    process = await asyncio.create_subprocess_exec(
        *(
            program,
            f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}",
        ),
        stdout=DEVNULL,
        stderr=DEVNULL,
    )
    prometheus = Prometheus(f"http://127.0.0.1:{port}")
    await until(prometheus.has_looked, 60, "Prometheus has looked")
    yield prometheus
    process.terminate()
    await asyncio.wait_for(process.wait(), 20)


async def test_on_a_healthy_tidings_no_alert_is_near(shown: Shown, prometheus: Prometheus) -> None:
    await use(shown, 1)
    await until(prometheus.has_looked, 60, "Prometheus has looked")
    alerts = (await prometheus.get("alerts"))["data"]["alerts"]
    # What came before in this session may have been anything: restarts, unforeseen failures, refused credentials are told over minutes.
    near = {alert["labels"]["alertname"] for alert in alerts} - {"TidingsProcessRestarts", "TidingsErrors", "TidingsDiskFilling"}
    assert near == {"TidingsWatchdog"}


async def test_every_question_of_the_dashboards_is_understood(prometheus: Prometheus) -> None:
    for expression in dashboard_expressions():
        answer = await prometheus.get("query", query=expression)
        assert answer["status"] == "success", expression


async def test_the_gate_of_releases_reads_a_version_s_figures(shown: Shown, prometheus: Prometheus) -> None:
    everyone, nobody = 'job="tidings"', 'job="tidings",version="9.9.9"'

    async def has_counted() -> bool:
        await use(shown, 1)
        seen = await asyncio.to_thread(figures_of, prometheus.base_url, everyone, 1)
        return min(seen.requests, seen.writes, seen.attempts) > 0

    await until(has_counted, 60, "Prometheus tells of requests, writes to streams and attempts")
    assert (await asyncio.to_thread(figures_of, prometheus.base_url, everyone, 1)).missing == ()
    assert (await asyncio.to_thread(figures_of, prometheus.base_url, nobody, 1)).missing == (NOBODY,)
