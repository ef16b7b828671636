"""docs/tutorial.md, followed to the letter: its files written, its commands typed, its page looked at.

Two things are different for this reader: the ports, which are free ones, and what makes the end short (TIDINGS_DRAIN_S). The folder of
the repository is one of links to this one, so that nothing of the tutorial is left here.
"""

import asyncio
import os
import re
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page
from tutorial.shop_page import play
from tutorial.steps import InBrowser, PressCtrlC, See, Type, Write, steps_of
from tutorial.terminal import Terminal, open_terminal

from tidings.platform.embedded.memory import free_port

REPOSITORY = Path(__file__).parents[2]
TUTORIAL = REPOSITORY / "docs" / "tutorial.md"
PORTS = ("8000", "8025", "8080", "8081")


class Reader:
    """Somebody with a folder, a browser and as many terminals as the tutorial names."""

    def __init__(self, folder: Path, page: Page, environment: dict[str, str]) -> None:
        self.folder, self.page, self.environment = folder, page, environment
        self.terminals: dict[str, Terminal] = {}

    async def follow(self, tutorial: str) -> None:
        for step, following in pairwise([*steps_of(tutorial), None]):
            match step:
                case Write(file, text):
                    (self.folder / file).write_text(text)
                case Type(terminal, text):
                    await (await self.terminal(terminal)).type(text)
                    if not isinstance(following, See):
                        await (await self.terminal(terminal)).until_ready()
                case See(terminal, text):
                    await (await self.terminal(terminal)).sees(text)
                case PressCtrlC(terminal):
                    await (await self.terminal(terminal)).press_ctrl_c()
                case InBrowser(sentence):
                    await play(self.page, sentence)

    async def terminal(self, name: str) -> Terminal:
        if name not in self.terminals:
            self.terminals[name] = await open_terminal(self.folder, self.environment)
        return self.terminals[name]


@pytest.fixture
def folder() -> Iterator[Path]:
    """The repository, as somebody has it who never ran Tidings; its environment is that of the tests."""
    # Root's PostgreSQL runs as somebody else, who must get through.
    folder = Path(tempfile.mkdtemp(prefix="tidings-tutorial-"))
    folder.chmod(0o711)
    for entry in REPOSITORY.iterdir():
        if entry.name not in (".git", ".state", ".venv", "shop"):
            (folder / entry.name).symlink_to(entry)
    (folder / ".venv").symlink_to(sys.prefix)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def ports() -> dict[str, str]:
    """Free ones, by those that the tutorial names."""
    free: set[int] = set()
    while len(free) < len(PORTS):
        free.add(free_port())
    return dict(zip(PORTS, map(str, free), strict=True))


@pytest.fixture
async def reader(folder: Path, ports: dict[str, str], browser: Browser) -> AsyncIterator[Reader]:
    """Nothing may be said in the browser's console, and nothing may be left running when the terminals are closed."""
    said: list[str] = []
    context = await browser.new_context()
    page = await context.new_page()
    page.on("console", lambda message: said.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    # Whoever runs the tests by make has told them how to make.
    environment = {name: value for name, value in os.environ.items() if "MAKE" not in name} | {"TERM": "dumb"}
    reader = Reader(folder, page, environment | {"TIDINGS_PORT": ports["8000"], "TIDINGS_DRAIN_S": "0.2"})
    yield reader
    await context.close()
    left = await asyncio.gather(*(terminal.close() for terminal in reader.terminals.values()))
    assert (said, [name for names in left for name in names]) == ([], [])


async def test_its_reader_gets_what_it_says(reader: Reader, ports: dict[str, str]) -> None:
    await reader.follow(re.sub("|".join(ports), lambda found: ports[found[0]], TUTORIAL.read_text()))
    assert not [name for name in ("shop", ".state") if (reader.folder / name).exists()]


def test_nothing_of_it_is_left_out() -> None:
    page = TUTORIAL.read_text()
    steps = list(steps_of(page))
    assert sum(not isinstance(step, InBrowser | PressCtrlC) for step in steps) == page.count("```") / 2
    assert {type(step) for step in steps} == {Write, Type, See, PressCtrlC, InBrowser}
