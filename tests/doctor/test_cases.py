"""The command line says of the same measurements what a browser says (src/client/packages/client/tests/doctor.test.ts)."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tidings.cli.doctor.judge import drain, idle, judge
from tidings.cli.doctor.measured import Measured
from tidings.cli.doctor.polls import LONGEST_S
from tidings.cli.doctor.report import Report
from tidings.stream.drain import RATE
from tidings.stream.frames import HEADERS
from tidings.stream.poll import MOST_WAIT_S
from tidings.stream.wheel import BEAT_S

FILE = json.loads(Path(__file__).with_name("cases.json").read_text())
CASES = [case for case in FILE["cases"] if case.get("only") != "browser"]


def judged(**measured: Any) -> Report:
    return judge(msgspec.convert(FILE["healthy"] | measured, Measured))


def test_where_all_is_well_there_is_nothing_to_change() -> None:
    report = judged()
    assert (report.ok, report.unchecked) == (True, [])
    assert msgspec.to_builtins(report.findings) == FILE["findings"]
    assert msgspec.to_builtins(report.facts) == FILE["healthy"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_it_says_what_a_browser_says(case: Any) -> None:
    report = msgspec.to_builtins(judged(**case["measured"]))
    assert [finding for finding in report["findings"] if finding not in FILE["findings"]] == case["findings"]
    assert report["unchecked"] == case["unchecked"]
    assert report["ok"] == case["ok"]


def test_what_the_doctor_takes_for_granted_is_what_tidings_does() -> None:
    assert (idle.BEAT_S, LONGEST_S, drain.PACE) == (BEAT_S, MOST_WAIT_S, RATE)
    assert dict(HEADERS)[b"cache-control"] == b"no-store, no-transform"
