"""Scenarios against the real product: the shortest one holds, and an event that is lost or repeated on its way is found."""

import asyncio
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
from load.event_proxy import event_proxy
from running import Project, Running

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


def broken(report: Report) -> dict[str, Any]:
    return {verdict.name: verdict.value for verdict in report.verdicts if not verdict.holds}


async def test_the_smoke_scenario_holds_on_a_product_of_its_own(tmp_path: Path) -> None:
    code, report = await ran("smoke", tmp_path)

    assert (code, report.holds) == (0, True), (broken(report), report.told, report.failures)
    # Storms, topics, failing webhooks, inbox readers: each left a trace.
    assert all(report.measured[name] for name in ("reconnects", "webhooks_refused", "accepted", "inbox_p99_ms", "stream_p99_ms"))
    assert "✗ fail" not in (tmp_path / "smoke" / "report.html").read_text()
    assert "publish" in (tmp_path / "smoke" / "locust.html").read_text()


async def test_an_event_that_a_proxy_drops_and_one_that_it_repeats_are_found(tidings: Running, project: Project, tmp_path: Path) -> None:
    def passes(frame: bytes, before: int) -> Iterable[bytes]:
        return {3: [], 7: [frame, frame]}.get(before, [frame])

    (tmp_path / "short.toml").write_text(SHORT)
    async with event_proxy(tidings.api.port, passes) as port:
        settings = {"HOST": tidings.base_url, "STREAMS": f"http://127.0.0.1:{port}", "KEY": project.api_key}
        code, report = await ran(str(tmp_path / "short.toml"), tmp_path, **settings)

    assert code == 1
    assert broken(report) == {"lost": 1, "duplicates": 1}
    assert len(report.told) == 1
