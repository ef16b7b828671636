"""Every process of ours may open as many files and connections as it may be given."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest
from loguru import logger

from tidings.platform import descriptors
from tidings.platform.descriptors import raise_descriptor_limit

SHOWS = """
import resource, sys
from pathlib import Path
from tidings.cli.process import begin_process
from tidings.settings import Settings
begin_process(Settings(state_dir=Path(sys.argv[1])), "deliveries", False, 1)
print(resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def test_a_process_begins_with_the_highest_limit_that_it_may_set(tmp_path: Path) -> None:
    def fewer() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 1000))

    command = [sys.executable, "-c", SHOWS, str(tmp_path)]
    shown = subprocess.run(command, preexec_fn=fewer, capture_output=True, text=True, timeout=60, check=True)
    assert shown.stdout.strip() == "(1000, 1000)"
    assert "This process may open 1000 files and connections; 4096 are enough" in shown.stderr


def test_nothing_is_said_where_there_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptors, "ENOUGH", resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    said: list[str] = []
    sink = logger.add(lambda message: said.append(str(message)))
    try:
        raise_descriptor_limit()
    finally:
        logger.remove(sink)
    assert said == []
