"""Runbooks: each alert has one, and nobody is told to type what does not exist."""

import re
import shlex
from functools import cache
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from monitoring.rules import ROOT, alerts
from tidings.cli.commands import main

RUNBOOKS = sorted((ROOT / "docs" / "runbooks").glob("*.md"))
BOOKS = [path for path in RUNBOOKS if path.stem != "README"]
COMMAND = re.compile(r"(?:^ {4,}(?:[A-Z_]+=\S+ )*|`(?:[A-Z_]+=\S+ )*)(tidings [^`\n]+)", re.MULTILINE)
PARTS = ("**You see**", "**It means**", "## What to do", "## It is over when", "## Walked through")


def commands_in(path: Path) -> list[list[str]]:
    """Words of each command line, without what is said behind it."""
    return [shlex.split(found.split("  ")[0], comments=True) for found in COMMAND.findall(path.read_text())]


@cache
def accepted(words: tuple[str, ...]) -> tuple[int, str]:
    """Exit code and text of `… --help`."""
    result = CliRunner().invoke(main, [*words, "--help"])
    return result.exit_code, result.output


def path_of(words: list[str]) -> tuple[str, ...]:
    """The names of command and subcommand."""
    context = click.Context(main)
    command: click.Command = main
    names: list[str] = []
    for word in words:
        if not isinstance(command, click.Group) or word.startswith("-"):
            break
        found = command.get_command(context, word)
        assert found is not None, f"tidings {' '.join([*names, word])} does not exist"
        command = found
        names.append(word)
    return tuple(names)


@pytest.mark.parametrize("path", RUNBOOKS, ids=lambda path: path.stem)
def test_every_command_in_it_is_accepted(path: Path) -> None:
    commands = commands_in(path)
    assert commands or path.stem == "erase-request"
    for _, *words in commands:
        names = path_of(words)
        code, text = accepted(names)
        assert code == 0, words
        for option in (word.partition("=")[0] for word in words if word.startswith("--")):
            assert option in text, f"tidings {' '.join(names)} has no {option}"


@pytest.mark.parametrize("path", RUNBOOKS, ids=lambda path: path.stem)
def test_psql_is_told_which_server(path: Path) -> None:
    assert not re.findall(r"\bpsql (?!-h |\"\$TIDINGS_DATABASE_URL\").*", path.read_text())


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
def test_it_says_what_is_seen_what_it_means_what_to_do_and_when_it_is_over(path: Path) -> None:
    text = path.read_text()
    at = [text.find(part) for part in PARTS]
    assert -1 not in at and at == sorted(at)
    assert re.search(r"\d{4}-\d\d-\d\d", text[at[-1] :]), "when it was walked through"


@pytest.mark.parametrize("path", RUNBOOKS, ids=lambda path: path.stem)
def test_its_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
        assert (path.parent / target).exists(), target


def test_every_alert_has_one_and_every_alert_named_in_one_exists() -> None:
    known = set(alerts())
    for name, alert in alerts().items():
        text = (ROOT / alert["annotations"]["runbook"]).read_text()
        assert name in text, f"{alert['annotations']['runbook']} does not tell of {name}"
    for path in RUNBOOKS:
        assert set(re.findall(r"`(Tidings[A-Z]\w+)`", path.read_text())) <= known, path.name


def test_the_list_names_all_of_them() -> None:
    listed = set(re.findall(r"\(([a-z-]+)\.md\)", RUNBOOKS[0].read_text()))
    assert listed == {path.stem for path in BOOKS}
