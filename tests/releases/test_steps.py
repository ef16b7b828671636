"""From step to step and back, between processes that a test plays."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from releases.played import Played, played, quiet
from running import until

from tidings.cli import main
from tidings.releases.signals import SIGNALS, end_by_signal
from tidings.releases.state import read_state
from tidings.releases.switching import roll_back, switch


@pytest.fixture
def release(tmp_path: Path) -> Iterator[Played]:
    with played(tmp_path) as release:
        yield release


@pytest.fixture
def signals() -> Iterator[None]:
    """As in a terminal, also where the suite runs under `nohup`. What the process does at each is put back."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def everybody_is_at(release: Played, colour: str) -> bool:
    return release.shares() == {colour: 1}


STEPS = [[100], [10, 50, 100]]


@pytest.mark.parametrize("steps", STEPS)
def test_what_fails_as_often_as_before_comes_into_service(release: Played, steps: list[int]) -> None:
    release.errors = {"blue": 0.03, "green": 0.03}
    outcome = switch(release.plan, "blue", steps, 20, quiet, release.timing)
    assert (outcome.state.live, outcome.state.reasons) == ("green", ())
    assert everybody_is_at(release, "green")


@pytest.mark.parametrize("steps", STEPS)
def test_what_fails_more_often_than_before_is_taken_back(release: Played, steps: list[int]) -> None:
    release.errors = {"blue": 0.015, "green": 0.035}
    outcome = switch(release.plan, "blue", steps, 20, quiet, release.timing)
    assert outcome.state.phase == "rolled back"
    assert "the old version 0.01" in outcome.state.reasons[0]
    assert everybody_is_at(release, "blue")


def test_a_release_is_taken_back_also_when_nobody_listens_any_more(release: Played) -> None:
    def tell(text: str) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        switch(release.plan, "blue", [50, 100], 1, tell, release.timing)
    assert everybody_is_at(release, "blue")
    assert read_state(release.plan).phase == "rolled back"


def test_who_listened_to_the_command_may_be_gone() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    program = "from tidings.cli.release import say; say('Back to blue.')"
    assert subprocess.run([sys.executable, "-c", program], stdout=writer, timeout=60, check=False).returncode == 0
    os.close(writer)


def test_a_closed_terminal_begins_the_way_back_and_nothing_ends_that(release: Played, signals: None) -> None:
    def tell(text: str) -> None:
        os.kill(os.getpid(), signal.SIGHUP)

    end_by_signal()
    with pytest.raises(KeyboardInterrupt):
        switch(release.plan, "blue", [50, 100], 1, tell, release.timing)
    assert everybody_is_at(release, "blue")
    assert read_state(release.plan).candidate is None


def test_no_signal_ends_a_rollback(release: Played, signals: None) -> None:
    def tell(text: str) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    done = switch(release.plan, "blue", [100], 1, quiet, release.timing)
    end_by_signal()
    roll_back(release.plan, done.state, tell, release.timing)
    assert everybody_is_at(release, "blue")


async def test_a_release_whose_command_was_killed_is_taken_back_by_the_next(release: Played) -> None:
    plan = str(release.write_plan())

    def said(command: str) -> tuple[int, str]:
        done = CliRunner().invoke(main, ["release", command, "--plan", plan])
        return done.exit_code, done.output

    async def has_half() -> bool:
        return release.shares() == {"blue": 0.5, "green": 0.5}

    words = ("-m", "tidings.cli", "release", "switch", "--plan", plan, "--steps", "50,100")
    switching = await asyncio.create_subprocess_exec(sys.executable, *words)
    await until(has_half, 60, "half of the traffic is at the new version")
    switching.kill()
    await switching.wait()

    code, text = said("switch")
    assert (code, "tidings release rollback" in text, await has_half()) == (1, True, True), text
    code, text = said("rollback")
    assert (code, "blue is live" in text, everybody_is_at(release, "blue")) == (0, True, True), text
    assert said("rollback")[0] == 1
