"""Scenarios against the real product: the shortest one holds, and an event that is lost or repeated on its way is found."""

import asyncio
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from load.event_proxy import event_proxy
from running import Running

from loadtests.scenarios.report import Report

WITHIN_S = 240
SHORT = """
summary = "Two seconds, on streams that are tampered with."
settle_s = 3
[users]
publishers = 2
listeners = 5
[[stages]]
seconds = 2
rate = 30
[thresholds]
lost.most = 0
duplicates.most = 0
out_of_order.most = 0
"""


async def ran(name: str, reports: Path, **settings: str) -> tuple[int, Report]:
    """The exit code and the report of a scenario."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "loadtests.scenarios", name, "--json", "--reports", str(reports)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | settings,
    )
    out, err = await asyncio.wait_for(process.communicate(), WITHIN_S)
    assert process.returncode in (0, 1), err.decode()
    return process.returncode, msgspec.json.decode(out, type=Report)


class Runs(NamedTuple):
    """Exit code and report of each."""

    smoke: tuple[int, Report]
    tampered: tuple[int, Report]
    reports: Path


@pytest.fixture(scope="module")
async def runs(system: Running, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Beside each other: most of both is waiting."""
    reports = tmp_path_factory.mktemp("reports")
    return Runs(*await asyncio.gather(ran("smoke", reports), tampered(system, reports)), reports)


async def tampered(system: Running, reports: Path) -> tuple[int, Report]:
    """A scenario of which one event is dropped on its way, and another repeated."""

    def passes(frame: bytes, before: int) -> Iterable[bytes]:
        return {3: [], 7: [frame, frame]}.get(before, [frame])

    project = await system.new_project()
    (reports / "short.toml").write_text(SHORT)
    async with event_proxy(system.api.port, passes) as port:
        settings = {"HOST": system.base_url, "STREAMS": f"http://127.0.0.1:{port}", "KEY": project.api_key}
        return await ran(str(reports / "short.toml"), reports, **settings)


def broken(report: Report) -> dict[str, Any]:
    return {verdict.name: verdict.value for verdict in report.verdicts if not verdict.holds}


def test_the_smoke_scenario_holds_on_a_product_of_its_own(runs: Runs) -> None:
    code, report = runs.smoke

    assert (code, report.holds) == (0, True), (broken(report), report.told, report.failures)
    # Storms, topics, failing webhooks, inbox readers: each left a trace.
    assert all(report.measured[name] for name in ("reconnects", "webhooks_refused", "accepted", "inbox_p99_ms", "stream_p99_ms"))
    assert "✗ fail" not in (runs.reports / "smoke" / "report.html").read_text()
    assert "publish" in (runs.reports / "smoke" / "locust.html").read_text()


def test_an_event_that_a_proxy_drops_and_one_that_it_repeats_are_found(runs: Runs) -> None:
    code, report = runs.tampered

    assert code == 1
    assert broken(report) == {"lost": 1, "duplicates": 1}
    assert len(report.told) == 1
